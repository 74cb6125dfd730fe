// SPDX-License-Identifier: Apache-2.0
// flock(2) on a file, whose path is the name of the lock. The kernel releases it when its holder dies.

import { closeSync, existsSync, fstatSync, statSync } from "node:fs";
import { errnoNameOf, type LockKind, tryLock } from "../kernel/index.ts";
import { removeIfPossible, type WaitOptions, waitUntil } from "./portable/index.ts";
import { openStateFile } from "./state-file.ts";

export type { LockKind } from "../kernel/index.ts";

export interface Lock extends Disposable {
  readonly fd: number;
  /**
   * True if the lock is exclusively ours now. If false the shared lock may be lost: flock(2) releases
   * it before it tries. Only for a process that no longer needs it.
   */
  tryExclusive(): boolean;
  /** Removes the file of an exclusive lock. A process that has opened it sees that it has no name. */
  removeFile(): void;
}

/** The lock if it is free, else `undefined`. Makes the file, again if it is removed meanwhile. */
export function takeLockIfFree(path: string, kind: LockKind, mode?: number): Lock | undefined {
  for (;;) {
    const fd = openLockFile(path, mode);
    let outcome: LockOutcome | undefined;
    try {
      outcome = lockIfFree(fd, path, kind);
    } finally {
      if (outcome !== "locked") closeSync(fd);
    }
    if (outcome === "locked") return lockOn(fd, path);
    if (outcome === "held") return undefined;
  }
}

/** flock(2) needs no right to write: a file that is there can be locked on a read-only disk, too. */
function openLockFile(path: string, mode?: number): number {
  try {
    return openStateFile(path, "existingOrNew", mode);
  } catch (error) {
    if (errnoNameOf(error) !== "EROFS" || !existsSync(path)) throw error;
    return openStateFile(path, "readOnly");
  }
}

/** `removed`: the path is another file by now, or none. */
type LockOutcome = "locked" | "held" | "removed";

function lockIfFree(fd: number, path: string, kind: LockKind): LockOutcome {
  if (!tryLock(fd, kind)) return "held";
  return hasName(fd, path) ? "locked" : "removed";
}

/** The previous holder may have removed the file: the next one would lock a new file of that name. */
function hasName(fd: number, path: string): boolean {
  const [locked, named] = [fstatSync(fd), statSync(path, { throwIfNoEntry: false })];
  return named?.ino === locked.ino && named.dev === locked.dev;
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

/** Removes the file of a lock if no process holds it. */
export function removeFreeLock(path: string): void {
  using lock = takeLockIfFree(path, "exclusive");
  lock?.removeFile();
}

/**
 * Whether a process holds a lock on the file that excludes one of this kind. Makes the file, and
 * holds the lock for a moment itself.
 */
export function isLocked(path: string, kind: LockKind): boolean {
  const lock = takeLockIfFree(path, kind);
  lock?.[Symbol.dispose]();
  return lock === undefined;
}

function lockOn(fd: number, path: string): Lock {
  return {
    fd,
    tryExclusive: () => tryLock(fd, "exclusive") && hasName(fd, path),
    removeFile: () => removeIfPossible(path),
    [Symbol.dispose]: () => closeSync(fd),
  };
}
