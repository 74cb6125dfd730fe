// SPDX-License-Identifier: Apache-2.0
// The FIFO of a request that was refused, emptied into a counter. Its writer did not wait for the
// answer; without a reader it would hang as soon as the FIFO is full.

import { closeSync } from "node:fs";
import { type Readiness, splice, watchReadable } from "../kernel/index.ts";
import { Fifo } from "./fifo.ts";

export interface RefusedDrainOptions {
  readonly runRoot: string;
  readonly relativePipe: string;
  /** `/dev/null`, open for writing: it takes everything at once, so no stage is needed before it. */
  readonly nullFd: number;
  readonly onEnd: () => void;
}

/** What is taken in one turn of the event loop. */
const turnBytes = 1 << 20;

/** Ends when its nodes are gone and its last writer is. The FIFO's name stays: it is not ours. */
export class RefusedDrain {
  readonly #options: RefusedDrainOptions;
  readonly #fifo: Fifo;
  #readFd: number;
  #readiness: Readiness;
  #nodes: "present" | "gone" = "present";
  #droppedBytes = 0;

  /** Throws FifoError if the FIFO is not one that a daemon may open. */
  constructor(options: RefusedDrainOptions) {
    this.#options = options;
    this.#fifo = Fifo.find(options.runRoot, options.relativePipe);
    this.#readFd = this.#fifo.openForReading();
    this.#readiness = watchReadable(this.#readFd, () => this.#move());
  }

  get droppedBytes(): number {
    return this.#droppedBytes;
  }

  nodesGone(): void {
    this.#nodes = "gone";
    this.#move();
  }

  /** Lets go at once, whoever still writes. */
  close(): void {
    this.#readiness.close();
    closeSync(this.#readFd);
    this.#fifo.close();
  }

  #move(): void {
    const moved = splice(this.#readFd, this.#options.nullFd, turnBytes);
    if (moved === "wouldBlock") return;
    this.#droppedBytes += moved;
    if (moved > 0) return;
    if (this.#nodes === "gone") {
      this.close();
      this.#options.onEnd();
      return;
    }
    // A hang-up stays until the end is opened anew.
    const old = this.#readFd;
    this.#readiness.close();
    this.#readFd = this.#fifo.openForReading();
    closeSync(old);
    this.#readiness = watchReadable(this.#readFd, () => this.#move());
  }
}
