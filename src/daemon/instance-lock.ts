// SPDX-License-Identifier: Apache-2.0
// One daemon for its places: an exclusive lock on the pid file, held by the main process and released
// by the kernel however that ends.

import { ftruncateSync, readFileSync, rmSync, writeSync } from "node:fs";
import { takeLockIfFree } from "../program/index.ts";
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
  ftruncateSync(lock.fd);
  writeSync(lock.fd, `${process.pid}\n`, 0);
  return {
    path,
    [Symbol.dispose]: () => {
      // Removed while it is locked: a daemon that opened it before sees that it has no name.
      rmSync(path, { force: true });
      lock[Symbol.dispose]();
    },
  };
}
