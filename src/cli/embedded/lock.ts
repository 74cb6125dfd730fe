// SPDX-License-Identifier: Apache-2.0
// The locks by which the `xenlog` processes of one directory take turns.

import { type Lock, type LockKind, takeLock } from "../../program/index.ts";
import { CliError } from "../invocation/index.ts";

export interface TurnOptions {
  readonly kind: LockKind;
  /** How long other processes may keep the lock from this one. */
  readonly waitMsMax: number;
  readonly signal: AbortSignal;
}

const backoff = { firstMs: 5, maxMs: 100 };

/** Waits for the lock; throws CliError `timeout`, or the signal's reason. */
export async function takeTurn(path: string, options: TurnOptions): Promise<Lock> {
  const { kind, waitMsMax, signal } = options;
  const lock = await takeLock(path, kind, { backoff, waitMsMax, signal });
  if (lock !== undefined) return lock;
  throw new CliError("timeout", `another xenlog has held ${path} for ${waitMsMax / 1000} s`);
}
