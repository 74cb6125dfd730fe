// SPDX-License-Identifier: Apache-2.0
// Holds a stream to the rate of its log, if it has one: how many bytes a move may take, or how long it
// has to wait.

import type { Move } from "./mover.ts";
import type { StreamRecord } from "./record.ts";
import { type Rate, rateOf, TokenBucket } from "./token-bucket.ts";

export interface OverRate {
  readonly kind: "overRate";
  readonly delayMs: number;
}

export class Throttle {
  #bucket: TokenBucket | undefined;

  /** `configured`: the rate of streams whose records have none. */
  move(
    record: StreamRecord,
    configured: Rate | null,
    move: (allowedBytes: number) => Move,
  ): Move | OverRate {
    const bucket = this.#bucketFor(rateOf(record, configured));
    if (bucket === undefined) return move(Number.POSITIVE_INFINITY);
    const allowedBytes = bucket.available(performance.now());
    if (allowedBytes === 0) {
      const how = record.overflow === "drop" ? "drop" : "wait";
      return { kind: "overRate", delayMs: bucket.refillMs(how) };
    }
    const moved = move(allowedBytes);
    if (moved.kind === "moved") bucket.take(moved.bytes);
    return moved;
  }

  #bucketFor(rate: Rate | undefined): TokenBucket | undefined {
    if (rate === undefined) {
      this.#bucket = undefined;
    } else if (!isSame(this.#bucket?.rate, rate)) {
      this.#bucket = new TokenBucket(rate, performance.now());
    }
    return this.#bucket;
  }
}

function isSame(one: Rate | undefined, other: Rate): boolean {
  return one?.bytesPerSecond === other.bytesPerSecond && one.burstBytes === other.burstBytes;
}
