// SPDX-License-Identifier: Apache-2.0
// flock(2) on a file that names what it locks. The kernel releases a lock when its holder dies.

import { closeSync, constants, fstatSync, statSync } from "node:fs";
import { type LockKind, openPath, tryLock } from "../kernel/index.ts";
import { type WaitOptions, waitUntil } from "./portable/index.ts";

export type { LockKind } from "../kernel/index.ts";

export interface Lock extends Disposable {
  readonly fd: number;
  /**
   * True if the lock is exclusively ours now. When false the lock may be lost: flock(2) releases the
   * shared lock before it tries. Only for a process that is leaving.
   */
  tryExclusive(): boolean;
}

const privateMode = 0o600;

/** The lock if it is free, else `undefined`. Makes the file; a file that is removed meanwhile too. */
export function takeLockIfFree(
  path: string,
  kind: LockKind,
  mode: number = privateMode,
): Lock | undefined {
  for (;;) {
    const fd = openLockFile(path, mode);
    if (!tryLock(fd, kind)) {
      closeSync(fd);
      return undefined;
    }
    // A predecessor may have removed the file: a lock on a file without a name locks nothing.
    if (fstatSync(fd).ino === statSync(path, { throwIfNoEntry: false })?.ino) return lockOn(fd);
    closeSync(fd);
  }
}

/** Waits for the lock; `undefined` when the time is up. Throws the signal's reason. */
export async function takeLock(
  path: string,
  kind: LockKind,
  options: WaitOptions,
): Promise<Lock | undefined> {
  let lock: Lock | undefined;
  await waitUntil(() => {
    lock = takeLockIfFree(path, kind);
    return lock !== undefined;
  }, options);
  return lock;
}

/** Whether a process holds a lock on the file that excludes one of this kind. */
export function isLocked(path: string, kind: LockKind): boolean {
  const lock = takeLockIfFree(path, kind);
  lock?.[Symbol.dispose]();
  return lock === undefined;
}

function openLockFile(path: string, mode: number): number {
  return openPath(path, constants.O_RDWR | constants.O_CREAT, mode);
}

function lockOn(fd: number): Lock {
  return {
    fd,
    tryExclusive: () => tryLock(fd, "exclusive"),
    [Symbol.dispose]: () => closeSync(fd),
  };
}
