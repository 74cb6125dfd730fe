// SPDX-License-Identifier: Apache-2.0
// A lock among the xenlogs that use the same directory.

import { describeErrno, errnoNameOf } from "../../kernel/index.ts";
import {
  type Backoff,
  type Lock,
  type LockKind,
  NotDirectoryError,
  StateFileError,
  takeLock,
} from "../../program/index.ts";
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

/** Throws CliError with a sentence and a remedy where a file of the directory cannot be used. */
export function inDirectory<T>(what: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw unusable(what, error);
  }
}

function unusable(what: string, error: unknown): unknown {
  const errno = errnoNameOf(error);
  if (errno === undefined) return error;
  // A file that is no lock, or another user's, has a sentence of its own.
  const isSentence = error instanceof StateFileError || error instanceof NotDirectoryError;
  const reason = isSentence ? error.message : describeErrno(errno);
  const sentence = `cannot ${what}: ${reason}; choose another directory with --dir`;
  return new CliError("failed", sentence, error);
}

/** Waits for the lock; throws CliError `timeout` or `failed`, or the signal's reason. */
export async function takeLockFor(
  waitMsMax: number,
  path: string,
  kind: LockKind,
  signal: AbortSignal,
): Promise<Lock> {
  const lock = await takeLock(path, kind, { backoff, waitMsMax, signal }).catch(
    (error: unknown) => {
      throw unusable(`lock ${path}`, error);
    },
  );
  if (lock !== undefined) return lock;
  throw new CliError(
    "timeout",
    `another xenlog has held ${path} for ${waitMsMax / 1000} s: wait until it has ended, or choose another directory with --dir`,
  );
}
