// SPDX-License-Identifier: Apache-2.0
// The only retry mechanism: pauses that double up to a maximum, and one report for each reason.
// Three forms of it: await a condition, await a success, and a timer for code without promises.

import { setTimeout as sleep } from "node:timers/promises";
import { messageOf as reasonOf } from "../../kernel/errno/index.ts";

/** The same text for the same trouble, in words for people. */
export { reasonOf };

/** Pauses between tries, in milliseconds: `firstMs`, twice that, four times that, up to `maxMs`. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Bounds the memory of a task that fails for ever, each time for another reason. */
const reportedReasonsMax = 16;

/** More doublings than any backoff needs; 2 ** 1024 would be infinite. */
const doublingsMax = 30;

/** The pause before try number `retry` (0, 1, 2 …). */
function pauseMs({ firstMs, maxMs }: Backoff, retry: number): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(retry, doublingsMax));
}

/**
 * The same with half of it random, so that clients which failed together do not come back together.
 * `random` is 0 to 1.
 */
export function spreadPauseMs(backoff: Backoff, retry: number, random: number): number {
  const windowMs = pauseMs(backoff, retry);
  return windowMs / 2 + (windowMs / 2) * random;
}

/** Waits; throws the signal's reason when it is aborted. */
export async function pause(delayMs: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    throw signal?.reason ?? error;
  }
}

export interface WaitOptions {
  readonly backoff: Backoff;
  /** Without it the wait has no end but the signal. */
  readonly waitMsMax?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Asks until the answer is true; false when the time is up. Throws the signal's reason. */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  { backoff, waitMsMax = Number.POSITIVE_INFINITY, signal }: WaitOptions,
): Promise<boolean> {
  const deadlineMs = performance.now() + waitMsMax;
  for (let retry = 0; !(await condition()); retry += 1) {
    const leftMs = deadlineMs - performance.now();
    if (leftMs <= 0) return false;
    await pause(Math.min(pauseMs(backoff, retry), leftMs), signal);
  }
  return true;
}

export interface RetryOptions extends WaitOptions {
  /** Whether another try can help; without it every error is tried again. */
  readonly isPassing?: (error: unknown) => boolean;
  /** Called once for each reason, not for each try. */
  readonly onFailure?: (error: unknown) => void;
}

/**
 * Tries until it succeeds. Throws the last error when that does not pass or the time is up, and the
 * signal's reason when it is aborted.
 */
export async function retry<T>(attempt: () => T | Promise<T>, options: RetryOptions): Promise<T> {
  const { backoff, waitMsMax = Number.POSITIVE_INFINITY, signal } = options;
  const deadlineMs = performance.now() + waitMsMax;
  const reasons = new ReportedReasons();
  for (let count = 0; ; count += 1) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      const leftMs = deadlineMs - performance.now();
      if (options.isPassing?.(error) === false || leftMs <= 0) throw error;
      if (reasons.isNew(reasonOf(error))) options.onFailure?.(error);
      await pause(Math.min(pauseMs(backoff, count), leftMs), signal);
    }
  }
}

export interface RetryTimerOptions {
  readonly backoff: Backoff;
  readonly attempt: () => void;
  /** Called once for each reason until the task succeeds. */
  readonly onFailure?: (reason: string) => void;
  /** The timer alone does not keep the process alive. */
  readonly unref?: true;
}

/** One task that is tried again later, at most one try at a time. */
export class RetryTimer {
  readonly #options: RetryTimerOptions;
  #retries = 0;
  #reasons: ReportedReasons = new ReportedReasons();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RetryTimerOptions) {
    this.#options = options;
  }

  /** Whether a try is due. */
  get isWaiting(): boolean {
    return this.#timer !== undefined;
  }

  /** The task failed: reports the reason if it is new, and tries again after a pause. */
  failed(reason: string): void {
    if (this.#reasons.isNew(reason)) this.#options.onFailure?.(reason);
    this.again();
  }

  /** Tries again after a pause, without a report. A try that is due stays due: calls cannot delay it. */
  again(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#options.attempt();
      },
      pauseMs(this.#options.backoff, this.#retries),
    );
    if (this.#options.unref) this.#timer.unref();
    this.#retries += 1;
  }

  /** The task succeeded: pauses begin small again, and the same reason is a new one. */
  succeeded(): void {
    this.cancel();
    this.#retries = 0;
    this.#reasons = new ReportedReasons();
  }

  /** No try is due any more. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** The reasons that were reported; of many the last ones, for a text that is new each time. */
class ReportedReasons {
  readonly #reasons: Set<string> = new Set();

  /** True once for each reason. */
  isNew(reason: string): boolean {
    if (this.#reasons.has(reason)) return false;
    const [oldest] = this.#reasons;
    if (oldest !== undefined && this.#reasons.size >= reportedReasonsMax) {
      this.#reasons.delete(oldest);
    }
    this.#reasons.add(reason);
    return true;
  }
}
