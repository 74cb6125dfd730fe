// SPDX-License-Identifier: Apache-2.0
// A wait that a client asks for: ends with its result, after a time, or with one of several signals.

export interface LongPoll {
  readonly timeoutMs: number;
  readonly ends: readonly AbortSignal[];
}

/** A long poll is answered at least this often, so that a dead client does not hold it without end. */
const longPollMsMax = 60_000;

/** Milliseconds of a query; `undefined` if it is no decimal number. Without one, the longest wait. */
export function parseTimeoutMs(text: string | undefined): number | undefined {
  if (text === undefined) return longPollMsMax;
  if (!/^\d{1,9}$/.test(text)) return undefined;
  return Math.min(Number(text), longPollMsMax);
}

/** Resolves with "open" when the wait ends without a result; `wait` gets a signal for that. */
export async function longPoll<T>(
  wait: (signal: AbortSignal) => Promise<T>,
  { timeoutMs, ends }: LongPoll,
): Promise<T | "open"> {
  const waiting = new AbortController();
  const stop = (): void => waiting.abort();
  // Not AbortSignal.any with AbortSignal.timeout: Node 20 may collect those before they fire.
  const timer = setTimeout(stop, timeoutMs);
  for (const end of ends) end.addEventListener("abort", stop, { once: true });
  if (ends.some((end) => end.aborted)) stop();
  try {
    return await Promise.race([resultOf(wait, waiting.signal), aborted(waiting.signal)]);
  } finally {
    clearTimeout(timer);
    for (const end of ends) end.removeEventListener("abort", stop);
    stop();
  }
}

async function resultOf<T>(
  wait: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T | "open"> {
  try {
    return await wait(signal);
  } catch (error) {
    // A source may answer the end of the wait by rejecting.
    if (signal.aborted) return "open";
    throw error;
  }
}

function aborted(signal: AbortSignal): Promise<"open"> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve("open");
    signal.addEventListener("abort", () => resolve("open"), { once: true });
  });
}
