// SPDX-License-Identifier: Apache-2.0
// Tries the streams of a pump whose logs refuse bytes: a few each 100 ms, and all of them as soon as
// one succeeds. So a disk that works again is used within 0.2 s, and a thousand logs on a full disk
// cost no more than eight.

/** Tries once; whether the log accepts bytes again. */
export type Attempt = () => "accepted" | "refused";

const tickMs = 100;
/** Tried in one turn of the event loop: each costs a system call that fails. */
const attemptsPerTurn = 8;

export class RetryRound {
  /** The one tried longest ago first. */
  readonly #waiting: Map<object, Attempt> = new Map();
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Immediate | undefined;

  /** Tries for `owner` until `delete`. */
  add(owner: object, attempt: Attempt): void {
    this.#waiting.set(owner, attempt);
    this.#arm();
  }

  delete(owner: object): void {
    this.#waiting.delete(owner);
    if (this.#waiting.size === 0) this.#disarm();
  }

  #arm(): void {
    if (this.#soon !== undefined) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#turn();
    }, tickMs);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#soon);
    this.#timer = undefined;
    this.#soon = undefined;
  }

  #turn(): void {
    let accepted = 0;
    for (const [owner, attempt] of [...this.#waiting].slice(0, attemptsPerTurn)) {
      // An attempt before may have ended this one.
      if (!this.#waiting.delete(owner)) continue;
      this.#waiting.set(owner, attempt);
      if (attempt() === "accepted") accepted += 1;
    }
    if (this.#waiting.size === 0) return;
    if (accepted === 0) {
      this.#arm();
      return;
    }
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined;
      this.#turn();
    });
  }
}
