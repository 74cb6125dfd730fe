// SPDX-License-Identifier: Apache-2.0
// Empties the FIFO of a refused request into a counter. A writer that did not wait for the answer
// would hang without a reader as soon as the FIFO is full.

import { bytesReadable, splice } from "../kernel/index.ts";
import type { DropCounter } from "./drop-counter.ts";
import { Fifo } from "./fifo.ts";
import { ReadingEnd } from "./reading-end.ts";

export interface RefusedDrainOptions {
  readonly runRoot: string;
  readonly relativePipe: string;
  /** `/dev/null`, open for writing: it takes everything at once, so no stage is needed before it. */
  readonly nullFd: number;
  /** The caller's to close. */
  readonly counter: DropCounter;
  /** Closes the drain. */
  readonly onEnd: () => void;
}

/** Bytes taken in one turn of the event loop. */
const turnBytes = 1 << 20;
/** Bytes asked for when there are none: they may come at the same time. */
const pageBytes = 4096;

/** Ends when its nodes and its last writer are gone. The FIFO's name stays: the toolstack made it. */
export class RefusedDrain {
  readonly #options: RefusedDrainOptions;
  readonly #end: ReadingEnd;
  #nodes: "present" | "gone" = "present";

  /** Throws FifoError if the FIFO is not one that a daemon may open. */
  constructor(options: RefusedDrainOptions) {
    this.#options = options;
    const fifo = Fifo.find(options.runRoot, options.relativePipe);
    try {
      this.#end = new ReadingEnd(fifo, () => this.#move());
    } finally {
      fifo.close();
    }
    this.#end.startPolling();
  }

  get relativePipe(): string {
    return this.#options.relativePipe;
  }

  get droppedBytes(): number {
    return this.#options.counter.bytes;
  }

  nodesGone(): void {
    this.#nodes = "gone";
    this.#move();
  }

  /** Closes the FIFO at once, also while it has writers. */
  close(): void {
    this.#end.close();
  }

  #move(): void {
    const { counter, nullFd } = this.#options;
    const due = Math.min(turnBytes, Math.max(pageBytes, bytesReadable(this.#end.fd)));
    counter.taking(due);
    const moved = splice(this.#end.fd, nullFd, due);
    counter.took(moved === "wouldBlock" ? 0 : moved);
    if (moved === "wouldBlock") return;
    if (moved > 0) return;
    if (this.#nodes === "gone") {
      this.#options.onEnd();
      return;
    }
    this.#end.reopen();
  }
}
