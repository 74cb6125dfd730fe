// SPDX-License-Identifier: Apache-2.0
// What a stream does later: a move in the next turn, the end of its grace or of a pause, tries of
// its log.

import type { Attempt, RetryRound } from "./retry-round.ts";

export class Later {
  readonly #retries: RetryRound;
  #soon: NodeJS.Immediate | undefined;
  #grace: NodeJS.Timeout | undefined;
  #refill: NodeJS.Timeout | undefined;

  constructor(retries: RetryRound) {
    this.#retries = retries;
  }

  moveSoon(move: () => void): void {
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined;
      move();
    });
  }

  cancelMove(): void {
    clearImmediate(this.#soon);
    this.#soon = undefined;
  }

  beginTries(attempt: Attempt): void {
    this.#retries.add(this, attempt);
  }

  startGrace(delayMs: number, over: () => void): void {
    clearTimeout(this.#grace);
    this.#grace = setTimeout(over, delayMs);
  }

  startRefill(delayMs: number, over: () => void): void {
    clearTimeout(this.#refill);
    this.#refill = setTimeout(over, delayMs);
  }

  endRefill(): void {
    clearTimeout(this.#refill);
  }

  /** The stream is not stalled any more. */
  endTries(): void {
    this.#retries.delete(this);
    clearTimeout(this.#grace);
  }

  cancel(): void {
    this.cancelMove();
    this.endTries();
    this.endRefill();
  }
}
