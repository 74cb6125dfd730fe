// SPDX-License-Identifier: Apache-2.0
// One stream: performs what `stream-state.ts` decides. An event that comes up while effects are
// performed is queued behind them, so no effect ever runs within another one.

import assert from "node:assert/strict";
import { Fifo, ReadingEnd } from "../fifo/index.ts";
import { bytesReadable } from "../kernel/index.ts";
import type {
  Durability,
  FilePlace,
  Interference,
  LogBound,
  OpenDirectories,
  Refusal,
} from "../logfile/index.ts";
import type { FormerLog } from "./former-log.ts";
import { LogSink, openSink } from "./log-sink.ts";
import { markLostFifo } from "./lost-fifo.ts";
import type { StreamReport } from "./messages.ts";
import { type Move, Mover } from "./mover.ts";
import type { Outlet } from "./outlet.ts";
import type { StreamRecord } from "./record.ts";
import type { Leftover } from "./recovery.ts";
import type { StagePool } from "./stage-pool.ts";
import {
  intentOf,
  type StreamEffect,
  type StreamEvent,
  type StreamState,
  transition,
} from "./stream-state.ts";

export interface PumpedStreamOptions {
  readonly record: StreamRecord;
  readonly pool: StagePool;
  readonly positionsDirectory: string;
  readonly durability: Durability;
  readonly directories: OpenDirectories;
  /** `/dev/null`, open for writing. */
  readonly nullFd: number;
  /** Bytes that a predecessor left in a stage and that the file system still refuses. */
  readonly leftover: Leftover | undefined;
  readonly onStalled: (reason: string) => void;
  readonly onResumed: () => void;
  readonly onInterference: (interference: Interference) => void;
  readonly onLive: (live: FilePlace) => void;
  readonly onClosed: (report: StreamReport) => void;
}

export class PumpedStream {
  readonly #options: PumpedStreamOptions;
  readonly #fifo: Fifo;
  readonly #end: ReadingEnd;
  readonly #mover: Mover;
  #sink: LogSink | FormerLog;
  #record: StreamRecord;
  #state: StreamState;
  /** Events to be handled after the present one, `undefined` while none is handled. */
  #queue: StreamEvent[] | undefined;
  #soon: NodeJS.Immediate | undefined;
  #retryTimer: NodeJS.Timeout | undefined;

  /** Throws an error with an errno, or a FifoError or LogfileError; nothing is left open then. */
  static open(options: PumpedStreamOptions): PumpedStream {
    const stream = new PumpedStream(options);
    stream.#begin(options.leftover);
    return stream;
  }

  private constructor(options: PumpedStreamOptions) {
    const { record, pool, leftover } = options;
    this.#options = options;
    this.#record = record;
    this.#mover = new Mover(pool, leftover);
    this.#fifo = Fifo.find(record.runRoot, record.relativePipe);
    let sink: LogSink | FormerLog | undefined;
    try {
      sink = openSink({ ...options, target: record });
      this.#sink = sink;
      this.#state = { kind: sink instanceof LogSink ? "logging" : "discarding" };
      this.#end = new ReadingEnd(this.#fifo, () => this.#move());
    } catch (error) {
      sink?.close();
      this.#fifo.close();
      throw error;
    }
  }

  #begin(leftover: Leftover | undefined): void {
    if (leftover !== undefined) {
      this.#dispatch({ kind: "writeFailed", reason: leftover.reason });
      return;
    }
    this.#end.startPolling();
    // A marker may be due from before a restart.
    this.#checkWrite(this.#sink.prepare());
  }

  /** What the stream is now, its bound included. */
  get record(): StreamRecord {
    return this.#record;
  }

  get state(): StreamState {
    return this.#state;
  }

  nodesGone(): void {
    this.#dispatch({ kind: "nodesGone" });
  }

  nodesBack(): void {
    this.#dispatch({ kind: "nodesBack" });
  }

  /** Leaves its file to the next stream that wants it. Not while stalled. */
  handOverFile(): void {
    assert.ok(this.#sink instanceof LogSink, "a file is handed over once");
    this.#sink = this.#sink.handOverFile();
    this.#dispatch({ kind: "superseded" });
  }

  /** Writes a marker into the log. */
  mark(text: string): void {
    this.#checkWrite(this.#sink.mark(text));
  }

  /** Writes into the log, once for each time, that the content of the FIFO was lost. */
  markFifoLost(atMs: number): void {
    if (this.#sink instanceof LogSink) this.#checkWrite(markLostFifo(this.#sink, atMs));
  }

  /** The log may have been moved. */
  lookAtFiles(): void {
    this.#checkWrite(this.#sink.look());
  }

  /** Another bound for the log, from now on. */
  reconfigure({ limitBytes, copies }: LogBound): void {
    this.#record = { ...this.#record, limitBytes, copies };
    this.#mover.reconfigure(this.#record, intentOf(this.#state));
    this.#checkWrite(this.#sink.reconfigure(this.#record));
  }

  /**
   * Moves the bytes that are in the stage and in the FIFO now, and closes both; the FIFO keeps its name.
   * Returns the bytes that stay in a stage because the file system refuses them.
   */
  drainAndRelease(): number {
    if (this.#mover.stagedBytes > 0 && this.#retry().kind === "closed") return 0;
    if (this.#mover.stagedBytes === 0 && this.#drain().kind === "closed") return 0;
    this.#state = { kind: "closed" };
    this.#release();
    return this.#mover.stagedBytes;
  }

  /** Closes FIFO and log between two moves; the FIFO keeps its name. Not while stalled. */
  release(): StreamReport {
    this.#state = { kind: "closed" };
    const report = this.report();
    this.#release();
    return report;
  }

  report(): StreamReport {
    return { epoch: this.#record.epoch, state: this.#state.kind, ...this.#sink.report() };
  }

  /** Moves the bytes that are in the FIFO now, and no more: its writers may go on writing. */
  #drain(): StreamState {
    let state = this.#state;
    for (let due = bytesReadable(this.#end.fd); due > 0; ) {
      const move = this.#moveOnce();
      state = this.#dispatchMove(move);
      if (move.kind !== "moved" || state.kind === "closed") break;
      due -= move.bytes;
    }
    return state;
  }

  #move(): void {
    this.#dispatchMove(this.#moveOnce());
  }

  #moveOnce(): Move {
    return this.#mover.move(this.#end.fd, this.#record, this.#outlet());
  }

  #dispatchMove(move: Move): StreamState {
    return move.kind === "empty" ? this.#state : this.#dispatch(move);
  }

  #outlet(): Outlet {
    return this.#sink.outlet(intentOf(this.#state), this.#options.nullFd);
  }

  #retry(): StreamState {
    return this.#dispatch(this.#mover.retry(this.#outlet()) ?? { kind: "accepted" });
  }

  #checkWrite(refusal: Refusal | undefined): void {
    if (refusal !== undefined) this.#dispatch({ kind: "writeFailed", reason: refusal.message });
  }

  /** Returns the state after the event; that is the present one if the event is only queued. */
  #dispatch(event: StreamEvent): StreamState {
    if (this.#queue !== undefined) {
      this.#queue.push(event);
      return this.#state;
    }
    const queue = [event];
    this.#queue = queue;
    try {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const { state, effects } = transition(this.#state, next);
        this.#state = state;
        for (const effect of effects) this.#perform(effect);
      }
    } finally {
      this.#queue = undefined;
    }
    return this.#state;
  }

  #perform(effect: StreamEffect): void {
    switch (effect.kind) {
      case "startPolling":
        this.#end.startPolling();
        break;
      case "stopPolling":
        // Nothing more may be taken from the FIFO before the refused bytes are in the log.
        clearImmediate(this.#soon);
        this.#soon = undefined;
        this.#end.stopPolling();
        break;
      case "retryAfter":
        clearTimeout(this.#retryTimer);
        this.#retryTimer = setTimeout(() => this.#retry(), effect.delayMs);
        break;
      case "reopen":
        this.#end.reopen();
        break;
      case "moveNow":
        this.#move();
        break;
      case "moveSoon":
        this.#moveSoon();
        break;
      case "close":
        this.#close();
        break;
      case "reportStalled":
        this.#options.onStalled(effect.reason);
        break;
      case "reportResumed":
        this.#options.onResumed();
        break;
    }
  }

  #moveSoon(): void {
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined;
      this.#move();
    });
  }

  #close(): void {
    const report = this.report();
    this.#fifo.unlink();
    this.#release();
    this.#options.onClosed(report);
  }

  #release(): void {
    clearTimeout(this.#retryTimer);
    clearImmediate(this.#soon);
    this.#end.close();
    this.#fifo.close();
    this.#sink.close();
  }
}
