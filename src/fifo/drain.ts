// SPDX-License-Identifier: Apache-2.0
// Empties the FIFO of a refused request into a counter. A writer that did not wait for the answer
// would hang without a reader as soon as the FIFO is full.

import { splice } from "../kernel/index.ts";
import { Fifo } from "./fifo.ts";
import { ReadingEnd } from "./reading-end.ts";

export interface RefusedDrainOptions {
  readonly runRoot: string;
  readonly relativePipe: string;
  /** `/dev/null`, open for writing: it takes everything at once, so no stage is needed before it. */
  readonly nullFd: number;
  readonly onEnd: () => void;
}

/** Bytes taken in one turn of the event loop. */
const turnBytes = 1 << 20;

/** Ends when its nodes and its last writer are gone. The FIFO's name stays: the toolstack made it. */
export class RefusedDrain {
  readonly #options: RefusedDrainOptions;
  readonly #end: ReadingEnd;
  #nodes: "present" | "gone" = "present";
  #droppedBytes = 0;

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
    return this.#droppedBytes;
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
    const moved = splice(this.#end.fd, this.#options.nullFd, turnBytes);
    if (moved === "wouldBlock") return;
    this.#droppedBytes += moved;
    if (moved > 0) return;
    if (this.#nodes === "gone") {
      this.close();
      this.#options.onEnd();
      return;
    }
    this.#end.reopen();
  }
}
