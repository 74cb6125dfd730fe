// SPDX-License-Identifier: Apache-2.0
// How many bytes of a log may pass: a bucket that holds a burst and is refilled at a rate. Pure: the
// caller has the clock, in milliseconds that never go back.

import type { StreamRecord } from "./record.ts";

/** What a log may use of its disk. */
export interface Rate {
  readonly bytesPerSecond: number;
  readonly burstBytes: number;
}

/** Without a burst of its own a rate has this one, or a second's worth if that is more. */
const burstBytesMin = 65_536;
/** Less is not worth a move, unless the FIFO has no more. */
const moveBytesMin = 4096;
/** A log that waited for its rate is served again after so long. */
const pauseMs = 100;

/** The rate of a stream: as its request says, what is missing as configured. The host's own logs have no default. */
export function rateOf(
  { key, rateBytesPerSecond, burstBytes }: StreamRecord,
  configured: Rate | null,
): Rate | undefined {
  const fallback = key.startsWith("host/") ? null : configured;
  const bytesPerSecond = rateBytesPerSecond ?? fallback?.bytesPerSecond;
  if (bytesPerSecond === undefined) return undefined;
  const own = Math.max(burstBytesMin, bytesPerSecond);
  return { bytesPerSecond, burstBytes: burstBytes ?? fallback?.burstBytes ?? own };
}

export class TokenBucket {
  readonly rate: Rate;
  #tokens: number;
  #atMs: number;

  /** It is full at first. */
  constructor(rate: Rate, nowMs: number) {
    this.rate = rate;
    this.#tokens = rate.burstBytes;
    this.#atMs = nowMs;
  }

  /** Bytes that may pass now; 0 while it would be too few for a move. */
  available(nowMs: number): number {
    this.#refill(nowMs);
    const { burstBytes } = this.rate;
    return this.#tokens < Math.min(moveBytesMin, burstBytes) ? 0 : Math.floor(this.#tokens);
  }

  /** So many bytes have passed; at most what is available. */
  take(bytes: number): void {
    this.#tokens -= bytes;
  }

  /** After which time bytes may pass again: a part of the burst, or all of it. */
  refillMs(how: "wait" | "drop"): number {
    const { bytesPerSecond, burstBytes } = this.rate;
    const part = Math.max(moveBytesMin, (bytesPerSecond * pauseMs) / 1000);
    const wanted = how === "drop" ? burstBytes : Math.min(burstBytes, part);
    return Math.max(1, Math.ceil(((wanted - this.#tokens) * 1000) / bytesPerSecond));
  }

  #refill(nowMs: number): void {
    const { bytesPerSecond, burstBytes } = this.rate;
    const passedMs = nowMs - this.#atMs;
    this.#atMs = nowMs;
    this.#tokens = Math.min(burstBytes, this.#tokens + (passedMs * bytesPerSecond) / 1000);
  }
}
