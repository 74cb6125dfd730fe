// SPDX-License-Identifier: Apache-2.0
// What a predecessor left in its stages and the file system still refuses. Its stream takes it over
// when it is opened; until then, or if it never is, it is tried again here.

import { isSameFile, type LogTarget } from "./record.ts";
import { type Leftover, type RecoveryOptions, recoverStages, writeLeftover } from "./recovery.ts";

const retryMs = 1000;

export class Leftovers {
  readonly #options: RecoveryOptions;
  readonly #byEpoch: Map<string, Leftover> = new Map();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** Empties the stages before any FIFO is read: their bytes come first. */
  begin(): void {
    for (const leftover of recoverStages(this.#options)) {
      this.#byEpoch.set(leftover.target.epoch, leftover);
    }
    this.#arm();
  }

  of(epoch: string): Leftover | undefined {
    return this.#byEpoch.get(epoch);
  }

  /** Its stream is open, and has them. */
  handedOver(epoch: string): void {
    this.#byEpoch.delete(epoch);
  }

  /** Whether bytes of another epoch have to go into that file first. */
  comeBefore(target: LogTarget): boolean {
    return [...this.#byEpoch.values()].some(
      (left) => left.target.epoch !== target.epoch && isSameFile(left.target, target),
    );
  }

  /** Tries for the last time; returns the bytes that stay in stages. */
  stop(): number {
    this.#retry();
    clearTimeout(this.#timer);
    return [...this.#byEpoch.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  #retry(): void {
    for (const [epoch, leftover] of this.#byEpoch) {
      const left = writeLeftover(leftover, this.#options);
      if (left === undefined) this.#byEpoch.delete(epoch);
      else this.#byEpoch.set(epoch, left);
    }
    this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#byEpoch.size > 0) this.#timer = setTimeout(() => this.#retry(), retryMs);
  }
}
