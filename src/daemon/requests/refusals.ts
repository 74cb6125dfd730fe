// SPDX-License-Identifier: Apache-2.0
// Requests that were refused, while their nodes are there: what is written into their FIFOs is counted
// and thrown away. The next daemon reads them from xenstore again.

import { closeSync, constants } from "node:fs";
import {
  isPipe,
  keyText,
  type LogfileKey,
  type LogNodes,
  relativeBelow,
} from "../../contract/index.ts";
import { FifoError, RefusedDrain } from "../../fifo/index.ts";
import { openPath } from "../../kernel/index.ts";
import { hasRoomForFiles } from "../../program/index.ts";

/** Files for streams that are yet to come, and for what opening a drain needs. */
const streamsReserve = 32;

export interface Refusal {
  readonly key: LogfileKey;
  readonly pipe: string;
  readonly nodes: LogNodes;
  /** `undefined` where the FIFO itself is not one that may be opened. */
  readonly drain: RefusedDrain | undefined;
}

export class Refusals implements Disposable {
  readonly #runDirectory: string;
  readonly #hasStream: (relativePipe: string) => boolean;
  readonly #nullFd: number = openPath("/dev/null", constants.O_WRONLY);
  /** By key. */
  readonly #held: Map<string, Refusal> = new Map();
  /** Drains whose nodes are gone and whose writers are not. */
  readonly #leaving: Set<RefusedDrain> = new Set();

  /** `hasStream`: whether a stream has the FIFO, whose bytes are its own. */
  constructor(runDirectory: string, hasStream: (relativePipe: string) => boolean) {
    this.#runDirectory = runDirectory;
    this.#hasStream = hasStream;
  }

  get held(): readonly Refusal[] {
    return [...this.#held.values()];
  }

  has(key: LogfileKey): boolean {
    return this.#held.has(keyText(key));
  }

  /** The request under the key, refused; a FIFO that is drained already goes on being drained. */
  hold(key: LogfileKey, pipe: string, nodes: LogNodes): void {
    const text = keyText(key);
    const before = this.#held.get(text);
    if (before?.pipe !== pipe) this.release(key);
    const drain = before?.pipe === pipe ? before.drain : this.#startDrain(pipe);
    this.#held.set(text, { key, pipe, nodes, drain });
  }

  /**
   * The nodes under the key are gone, or name the FIFO `pipe` now. The same FIFO is kept open: a
   * writer that opens it while the request is looked at again must find a reader.
   */
  release(key: LogfileKey, pipe?: string): void {
    const held = this.#held.get(keyText(key));
    if (held === undefined || held.pipe === pipe) return;
    this.#held.delete(keyText(key));
    if (held.drain === undefined) return;
    this.#leaving.add(held.drain);
    held.drain.nodesGone();
  }

  /** The request is served now. */
  succeed(key: LogfileKey): void {
    this.#held.get(keyText(key))?.drain?.close();
    this.#held.delete(keyText(key));
  }

  /** A stream has the FIFO now: no drain may take its bytes. Its readers are open already. */
  handOver(pipe: string): void {
    const relativePipe = this.#drainable(pipe);
    if (relativePipe === undefined) return;
    for (const [text, held] of this.#held) {
      if (held.drain?.relativePipe !== relativePipe) continue;
      held.drain.close();
      this.#held.set(text, { ...held, drain: undefined });
    }
    for (const drain of this.#leaving) {
      if (drain.relativePipe !== relativePipe) continue;
      drain.close();
      this.#leaving.delete(drain);
    }
  }

  [Symbol.dispose](): void {
    for (const { drain } of this.#held.values()) drain?.close();
    for (const drain of this.#leaving) drain.close();
    this.#held.clear();
    this.#leaving.clear();
    closeSync(this.#nullFd);
  }

  /** The FIFO below the run directory, if a request may name it. */
  #drainable(pipe: string): string | undefined {
    return isPipe(pipe) ? relativeBelow(pipe, this.#runDirectory) : undefined;
  }

  #startDrain(pipe: string): RefusedDrain | undefined {
    const relativePipe = this.#drainable(pipe);
    if (relativePipe === undefined || this.#hasStream(relativePipe)) return undefined;
    // Streams come first: their room is not for drains.
    if (!hasRoomForFiles(streamsReserve)) return undefined;
    try {
      const drain: RefusedDrain = new RefusedDrain({
        runRoot: this.#runDirectory,
        relativePipe,
        nullFd: this.#nullFd,
        onEnd: () => this.#leaving.delete(drain),
      });
      return drain;
    } catch (error) {
      if (!(error instanceof FifoError)) throw error;
      return undefined;
    }
  }
}
