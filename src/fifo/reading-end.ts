// SPDX-License-Identifier: Apache-2.0
// The open reading end of a FIFO, polled or not. After a hang-up it is opened again: a hang-up stays
// on a descriptor, and poll(2) would report it without end.

import { closeSync } from "node:fs";
import { type Readiness, watchReadable } from "../kernel/index.ts";
import { type Fifo, openEndOf } from "./fifo.ts";

export class ReadingEnd {
  readonly #onReadable: () => void;
  #fd: number;
  #readiness: Readiness | undefined;

  /**
   * `onReadable` is called while the end is polled and there are bytes or a hang-up. Closes the FIFO's
   * path, so that one descriptor stays. Throws FifoError.
   */
  constructor(fifo: Fifo, onReadable: () => void) {
    this.#onReadable = onReadable;
    this.#fd = fifo.openForReading();
    fifo.close();
  }

  /** Changes with `reopen`. */
  get fd(): number {
    return this.#fd;
  }

  startPolling(): void {
    this.#readiness ??= watchReadable(this.#fd, this.#onReadable);
  }

  stopPolling(): void {
    this.#readiness?.close();
    this.#readiness = undefined;
  }

  /** Opens the new end before it closes the old one: without any reader a writer gets EPIPE. */
  reopen(): void {
    const wasPolling = this.#readiness !== undefined;
    this.stopPolling();
    const old = this.#fd;
    this.#fd = openEndOf(old);
    closeSync(old);
    if (wasPolling) this.startPolling();
  }

  close(): void {
    this.stopPolling();
    closeSync(this.#fd);
  }
}
