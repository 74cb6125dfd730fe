// SPDX-License-Identifier: Apache-2.0
// One daemon for its places: an exclusive lock on the pid file, held by the main process and given
// back by the kernel however that ends.

import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { openPath, tryLock } from "../kernel/index.ts";
import { DaemonError } from "./errors/index.ts";

export interface InstanceLock extends Disposable {
  readonly path: string;
}

/** Throws DaemonError "alreadyRunning" that names the other one's pid. */
export function takeInstanceLock(path: string): InstanceLock {
  const fd = openLocked(path);
  ftruncateSync(fd);
  writeSync(fd, `${process.pid}\n`, 0);
  return {
    path,
    [Symbol.dispose]: () => {
      rmSync(path, { force: true });
      closeSync(fd);
    },
  };
}

function openLocked(path: string): number {
  for (;;) {
    const fd = openPath(path, constants.O_RDWR | constants.O_CREAT, 0o644);
    if (!tryLock(fd, "exclusive")) {
      const text = Buffer.alloc(32);
      const pid = text.toString("latin1", 0, readSync(fd, text, 0, text.length, 0)).trim();
      closeSync(fd);
      throw new DaemonError("alreadyRunning", `another xenlogd runs here already: pid ${pid}`);
    }
    // A predecessor removes the file at its end; the lock of a file without a name is nobody's.
    if (fstatSync(fd).ino === statSync(path, { throwIfNoEntry: false })?.ino) return fd;
    closeSync(fd);
  }
}
