// SPDX-License-Identifier: Apache-2.0
// One daemon for its places: an exclusive lock on the pid file, held by the main process and released
// by the kernel however that ends.

import { ftruncateSync, writeSync } from "node:fs";
import { errnoNameOf } from "../kernel/index.ts";
import { type Lock, readStateFile, StateFileError, takeLockIfFree } from "../program/index.ts";
import { DaemonError } from "./errors/index.ts";

export interface InstanceLock extends Disposable {
  readonly path: string;
}

/** Other programs of the host read the pid. */
const pidFileMode = 0o644;

/** Throws DaemonError "alreadyRunning" that names the other daemon's pid. */
export function takeInstanceLock(path: string): InstanceLock {
  const lock = takeLock(path);
  if (lock === undefined) {
    const pid = readStateFile(path)?.trim();
    throw new DaemonError("alreadyRunning", `another xenlogd runs here already: pid ${pid}`);
  }
  writePid(lock.fd);
  return {
    path,
    [Symbol.dispose]: () => {
      lock.removeFile();
      lock[Symbol.dispose]();
    },
  };
}

/** The lock holds without the number, which is for other programs. */
function writePid(fd: number): void {
  const text = `${process.pid}\n`;
  try {
    // In place: a full disk would not give back the room of a file that is truncated first.
    writeSync(fd, text, 0);
    ftruncateSync(fd, text.length);
  } catch (error) {
    if (errnoNameOf(error) === undefined) throw error;
    // A number that is there is of a process that has ended.
    try {
      ftruncateSync(fd, 0);
    } catch {
      // The disk is read-only.
    }
  }
}

/** Nothing is set aside here: of two daemons that start at once one would take the other's lock away. */
function takeLock(path: string): Lock | undefined {
  try {
    return takeLockIfFree(path, "exclusive", pidFileMode);
  } catch (error) {
    const isLink = errnoNameOf(error) === "ELOOP";
    if (!(error instanceof Error && (isLink || error instanceof StateFileError))) throw error;
    throw new DaemonError("directory", `${error.message}; remove it`, error);
  }
}
