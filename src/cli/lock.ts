// SPDX-License-Identifier: Apache-2.0
// flock(2) on files that are never removed. The kernel lets go of a lock when its holder dies.

import { closeSync, constants } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { type LockKind, openPath, tryLock } from "../kernel/index.ts";
import { CliError } from "./errors.ts";

export interface Lock extends Disposable {
  /**
   * True if nobody else has the lock, which then is ours alone. When false the lock may be lost,
   * flock(2) gives the old one back before it tries: only for those who are leaving.
   */
  tryExclusive(): boolean;
}

export interface LockOptions {
  readonly kind: LockKind;
  /** How long others may keep it from us. */
  readonly waitMsMax: number;
  readonly signal?: AbortSignal;
}

const retryMsMin = 5;
const retryMsMax = 100;

/** Waits for the lock; throws CliError `timeout`, or the signal's reason. */
export async function takeLock(path: string, options: LockOptions): Promise<Lock> {
  const descriptor = openPath(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    await waitForLock(path, descriptor, options);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  return {
    tryExclusive: () => tryLock(descriptor, "exclusive"),
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}

async function waitForLock(path: string, descriptor: number, options: LockOptions): Promise<void> {
  const { kind, waitMsMax, signal } = options;
  const deadline = performance.now() + waitMsMax;
  // flock(2) with waiting would block the event loop, so it is asked again.
  for (let retryMs = retryMsMin; !tryLock(descriptor, kind); retryMs *= 2) {
    if (performance.now() > deadline) {
      throw new CliError("timeout", `another xenlog has held ${path} for ${waitMsMax / 1000} s`);
    }
    const waitMs = Math.min(retryMs, retryMsMax);
    await delay(waitMs, undefined, signal === undefined ? {} : { signal });
  }
}
