// SPDX-License-Identifier: Apache-2.0
// One daemon for its places: an exclusive lock on the pid file, held by the main process and released
// by the kernel however that ends.

import { ftruncateSync, readFileSync, writeSync } from "node:fs";
import { errnoNameOf } from "../kernel/index.ts";
import { removeIfPossible, takeLockIfFree } from "../program/index.ts";
import { DaemonError } from "./errors/index.ts";

export interface InstanceLock extends Disposable {
  readonly path: string;
}

/** Other programs of the host read the pid. */
const pidFileMode = 0o644;

/** Throws DaemonError "alreadyRunning" that names the other daemon's pid. */
export function takeInstanceLock(path: string): InstanceLock {
  const lock = takeLockIfFree(path, "exclusive", pidFileMode);
  if (lock === undefined) {
    const pid = readFileSync(path, "latin1").trim();
    throw new DaemonError("alreadyRunning", `another xenlogd runs here already: pid ${pid}`);
  }
  writePid(lock.fd);
  return {
    path,
    [Symbol.dispose]: () => {
      // Removed while it is locked: a daemon that opened it before sees that it has no name.
      removeIfPossible(path);
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
