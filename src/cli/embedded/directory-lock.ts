// SPDX-License-Identifier: Apache-2.0
// A lock among the xenlogs that use the same directory.

import { type Backoff, type Lock, type LockKind, takeLock } from "../../program/index.ts";
import { CliError } from "../invocation/index.ts";

const backoff: Backoff = { firstMs: 5, maxMs: 100 };

/** Has the lock while `use` runs, and leaves no file. Throws as `takeLockFor` does. */
export async function whileLocked<T>(
  waitMsMax: number,
  path: string,
  signal: AbortSignal,
  use: () => Promise<T>,
): Promise<T> {
  using lock = await takeLockFor(waitMsMax, path, "exclusive", signal);
  try {
    return await use();
  } finally {
    lock.removeFile();
  }
}

/** Waits for the lock; throws CliError `timeout`, or the signal's reason. */
export async function takeLockFor(
  waitMsMax: number,
  path: string,
  kind: LockKind,
  signal: AbortSignal,
): Promise<Lock> {
  const lock = await takeLock(path, kind, { backoff, waitMsMax, signal });
  if (lock !== undefined) return lock;
  throw new CliError("timeout", `another xenlog has held ${path} for ${waitMsMax / 1000} s`);
}
