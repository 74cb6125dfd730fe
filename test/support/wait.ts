// SPDX-License-Identifier: Apache-2.0
// Waiting for a condition, never for a time.

import { setTimeout as delay } from "node:timers/promises";

const pollMs = 2;

/** Resolves with the first result that is not undefined or false; rejects with `what` after `timeoutMs`. */
export async function waitFor<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await delay(pollMs);
  }
}
