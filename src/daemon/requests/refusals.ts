// SPDX-License-Identifier: Apache-2.0
// Requests that were refused, while their nodes are there: what is written into their FIFOs is counted
// and thrown away. The next daemon reads them from xenstore again. Each is reported once by a daemon.

import { closeSync, constants } from "node:fs";
import {
  errorValue,
  isPipe,
  keyText,
  type LogfileKey,
  type LogNodes,
  relativeBelow,
} from "../../contract/index.ts";
import { type DropCounter, FifoError, RefusedDrain } from "../../fifo/index.ts";
import { openPath } from "../../kernel/index.ts";
import type { EmitEvent, EventStream } from "../../observe/index.ts";
import { hasRoomForFiles } from "../../program/index.ts";
import { RefusedCounters } from "./refused-counters.ts";

/** Files for streams that are yet to come, and for what opening a drain needs. */
const streamsReserve = 32;

export interface Refusal {
  readonly key: LogfileKey;
  readonly pipe: string;
  readonly nodes: LogNodes;
  readonly about: EventStream;
  /** `undefined` where the FIFO itself is not one that may be opened. */
  readonly drain: CountedDrain | undefined;
}

interface CountedDrain {
  readonly about: EventStream;
  readonly fifo: RefusedDrain;
  readonly counter: DropCounter;
}

export interface RefusalsOptions {
  readonly runDirectory: string;
  readonly volatileDirectory: string;
  readonly emit: EmitEvent;
  /** Whether a stream has the FIFO, whose bytes are its own. */
  readonly hasStream: (relativePipe: string) => boolean;
}

export class Refusals implements Disposable {
  readonly #options: RefusalsOptions;
  readonly #counters: RefusedCounters;
  readonly #nullFd: number = openPath("/dev/null", constants.O_WRONLY);
  /** By key. */
  readonly #held: Map<string, Refusal> = new Map();
  /** Drains whose nodes are gone and whose writers are not. */
  readonly #leaving: Set<CountedDrain> = new Set();
  /** The FIFO of each request that was reported, by key. */
  readonly #reported: Map<string, string> = new Map();

  constructor(options: RefusalsOptions) {
    this.#options = options;
    this.#counters = new RefusedCounters(options.volatileDirectory, options.emit);
  }

  get held(): readonly Refusal[] {
    return [...this.#held.values()];
  }

  /** Of all requests that are refused. */
  get keys(): readonly string[] {
    return [...this.#reported.keys()];
  }

  has(key: LogfileKey): boolean {
    return this.#reported.has(keyText(key));
  }

  /** The request is refused now; the event has the text of its `error`. */
  report(about: EventStream, pipe: string, reason: string): void {
    this.#reported.set(about.key, pipe);
    const { emit } = this.#options;
    emit({ kind: "StreamRefused", ...about, reason: errorValue(reason), final: true });
  }

  /** The request is refused; a FIFO that is drained already goes on being drained. */
  hold(key: LogfileKey, pipe: string, nodes: LogNodes, about: EventStream): void {
    const text = keyText(key);
    const before = this.#held.get(text);
    if (before?.pipe !== pipe) this.release(key, pipe);
    // By a daemon before this one, or by a toolstack.
    if (this.#reported.get(text) !== pipe) this.report(about, pipe, nodes.error ?? "");
    const drain = before?.pipe === pipe ? before.drain : this.#startDrain(pipe, about);
    this.#held.set(text, { key, pipe, nodes, about, drain });
  }

  /**
   * The nodes under the key are gone, or name the FIFO `pipe` now. The same FIFO is kept open: a
   * writer that opens it while the request is looked at again must find a reader.
   */
  release(key: LogfileKey, pipe?: string): void {
    const text = keyText(key);
    if (this.#reported.get(text) !== pipe) this.#reported.delete(text);
    const held = this.#held.get(text);
    if (held === undefined || held.pipe === pipe) return;
    this.#held.delete(text);
    if (held.drain === undefined) return;
    this.#leaving.add(held.drain);
    held.drain.fifo.nodesGone();
  }

  /** The request is served now. */
  succeed(key: LogfileKey): void {
    const held = this.#held.get(keyText(key));
    if (held?.drain !== undefined) this.#end(held.drain);
    this.#held.delete(keyText(key));
    this.#reported.delete(keyText(key));
  }

  /** All requests were looked at: the others that a killed daemon has counted are gone. */
  reportLeft(): void {
    this.#counters.reportLeft();
  }

  /** A stream has the FIFO now: no drain may take its bytes. Its readers are open already. */
  handOver(pipe: string): void {
    const relativePipe = this.#drainable(pipe);
    if (relativePipe === undefined) return;
    for (const [text, held] of this.#held) {
      const { drain } = held;
      if (drain?.fifo.relativePipe !== relativePipe) continue;
      this.#end(drain);
      this.#held.set(text, { ...held, drain: undefined });
    }
    for (const drain of this.#leaving) {
      if (drain.fifo.relativePipe === relativePipe) this.#end(drain);
    }
  }

  [Symbol.dispose](): void {
    // Their counters stay for the next daemon.
    const held = [...this.#held.values()].flatMap(({ drain }) => drain ?? []);
    for (const { fifo, counter } of [...held, ...this.#leaving]) {
      fifo.close();
      counter.close();
    }
    this.#held.clear();
    this.#leaving.clear();
    this.#counters[Symbol.dispose]();
    closeSync(this.#nullFd);
  }

  /** The FIFO below the run directory, if a request may name it. */
  #drainable(pipe: string): string | undefined {
    return isPipe(pipe) ? relativeBelow(pipe, this.#options.runDirectory) : undefined;
  }

  #startDrain(pipe: string, about: EventStream): CountedDrain | undefined {
    const { runDirectory: runRoot, hasStream } = this.#options;
    const relativePipe = this.#drainable(pipe);
    if (relativePipe === undefined || hasStream(relativePipe)) return undefined;
    // Streams come first: their room is not for drains.
    if (!hasRoomForFiles(streamsReserve)) return undefined;
    const counter = this.#counters.open(pipe, about);
    try {
      const onEnd = (): void => this.#end(drain);
      const nullFd = this.#nullFd;
      const fifo = new RefusedDrain({ runRoot, relativePipe, nullFd, counter, onEnd });
      const drain: CountedDrain = { fifo, counter, about };
      return drain;
    } catch (error) {
      counter.remove();
      if (!(error instanceof FifoError)) throw error;
      return undefined;
    }
  }

  /** Nothing more is taken from the FIFO: what was is reported. */
  #end(drain: CountedDrain): void {
    drain.fifo.close();
    this.#leaving.delete(drain);
    this.#counters.report(drain.about, drain.counter);
  }
}
