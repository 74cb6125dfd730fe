// SPDX-License-Identifier: Apache-2.0
// How long to wait before the next try. Doubles from try to try, with half of it random so that
// clients which failed together do not come back together.

import { setTimeout as sleep } from "node:timers/promises";

export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** retryDelayMs(backoff, retry, random) is the delay before retry 0, 1, 2 …; `random` is 0..1. */
export function retryDelayMs(backoff: Backoff, retry: number, random: number): number {
  const windowMs = Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(retry, 30));
  return windowMs / 2 + (windowMs / 2) * random;
}

/** waitToRetry(backoff, retry, signal) waits that long. Throws the signal's reason when aborted. */
export async function waitToRetry(
  backoff: Backoff,
  retry: number,
  signal?: AbortSignal,
): Promise<void> {
  const delayMs = retryDelayMs(backoff, retry, Math.random());
  try {
    await sleep(delayMs, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    throw signal?.reason ?? error;
  }
}
