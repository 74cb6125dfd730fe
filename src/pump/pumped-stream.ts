// SPDX-License-Identifier: Apache-2.0
// One stream: performs what `stream-state.ts` decides. An event that comes up while effects are
// performed is queued behind them, so no effect ever runs within another one.

import assert from "node:assert/strict";
import { Fifo, ReadingEnd } from "../fifo/index.ts";
import { bytesReadable } from "../kernel/index.ts";
import type { LogBound, Refusal } from "../logfile/index.ts";
import type { FormerLog } from "./former-log.ts";
import { Later } from "./later.ts";
import { LogSink, openSink } from "./log-sink.ts";
import { markLostFifo } from "./lost-fifo.ts";
import type { StreamReport } from "./messages.ts";
import { failure, type Move, Mover } from "./mover.ts";
import type { Outlet } from "./outlet.ts";
import { type OverflowRules, overflowRules } from "./overflow-rules.ts";
import type { PumpedStreamOptions } from "./pumped-stream-options.ts";
import type { LogRate, StreamRecord } from "./record.ts";
import type { Leftover } from "./recovery.ts";
import {
  intentOf,
  type StreamEffect,
  type StreamEvent,
  type StreamState,
  triedIntentOf,
} from "./stream-state.ts";
import { type OverRate, Throttle } from "./throttle.ts";
import { transition } from "./transition.ts";

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
  readonly #later: Later;
  readonly #throttle: Throttle = new Throttle();

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
    this.#later = new Later(options.retries);
    this.#fifo = Fifo.find(record.runRoot, record.relativePipe);
    let sink: LogSink | FormerLog | undefined;
    try {
      sink = openSink({ ...options, target: record });
      this.#sink = sink;
      this.#state = { kind: sink instanceof LogSink ? "logging" : "discarding" };
      this.#end = new ReadingEnd(this.#fifo, () => this.#dispatchMove(this.#moveOnce()));
    } catch (error) {
      sink?.close();
      this.#fifo.close();
      throw error;
    }
  }

  #begin(leftover: Leftover | undefined): void {
    if (leftover !== undefined) {
      this.#dispatch(failure(leftover.refusal));
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

  /** Leaves its file to the next stream that wants it. Not while bytes are in a stage. */
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

  /** Another bound and rate for the log, from now on. */
  reconfigure(change: LogBound & LogRate): void {
    const { limitBytes, copies, rateBytesPerSecond, burstBytes } = change;
    this.#record = { ...this.#record, limitBytes, copies, rateBytesPerSecond, burstBytes };
    this.#mover.reconfigure(this.#record, intentOf(this.#state));
    this.#checkWrite(this.#sink.reconfigure(this.#record));
    this.ratesChanged();
  }

  /** It may have a higher rate than the one that it waits for. */
  ratesChanged(): void {
    this.#dispatch({ kind: "refilled" });
  }

  /**
   * Moves the bytes that are in the stage and in the FIFO now, and closes both; the FIFO keeps its name.
   * Returns the bytes that stay in a stage because the file system refuses them.
   */
  drainAndRelease(): number {
    if (this.#mover.stagedBytes > 0 && this.#retry().kind === "closed") return 0;
    // What would only be dropped may find a better disk at the next start.
    const drains = this.#mover.stagedBytes === 0 && this.#state.kind !== "dropping";
    if (drains && this.#drain().kind === "closed") return 0;
    this.#state = { kind: "closed" };
    this.#release();
    return this.#mover.stagedBytes;
  }

  /** Closes FIFO and log between two moves; the FIFO keeps its name. Not while bytes are in a stage. */
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
      const move = this.#moveOnce("unrated");
      state = this.#dispatchMove(move);
      if (move.kind !== "moved" || state.kind === "closed") break;
      due -= move.bytes;
    }
    return state;
  }

  #moveOnce(how: "rated" | "unrated" = "rated"): Move | OverRate {
    const { fd } = this.#end;
    const outlet = this.#outlet();
    if (how === "unrated" || this.#state.kind !== "logging") {
      return this.#mover.move(fd, this.#record, outlet);
    }
    const { rate } = this.#options.policies();
    return this.#throttle.move(this.#record, rate, (allowedBytes) =>
      this.#mover.move(fd, this.#record, outlet, allowedBytes),
    );
  }

  #overflowRules(): OverflowRules {
    const { graceMs } = this.#options.policies().overflow;
    return overflowRules(this.#record.overflow, graceMs, this.#sink.positions.openDrop);
  }

  #dispatchMove(move: Move | OverRate): StreamState {
    return move.kind === "empty" ? this.#state : this.#dispatch(move);
  }

  #outlet(): Outlet {
    return this.#sink.outlet(intentOf(this.#state), this.#options.nullFd);
  }

  #retry(): StreamState {
    const tried = this.#sink.outlet(triedIntentOf(this.#state), this.#options.nullFd);
    const failed = this.#mover.retry(tried);
    if (failed === undefined) return this.#dispatch({ kind: "accepted" });
    return this.#dispatch({ ...failed, kind: "writeFailed" });
  }

  #checkWrite(refusal: Refusal | undefined): void {
    if (refusal !== undefined) this.#dispatch(failure(refusal));
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
        const { state, effects } = transition(this.#state, next, this.#overflowRules());
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
        this.#later.cancelMove();
        this.#end.stopPolling();
        break;
      case "beginTries":
        this.#later.beginTries(() => this.#try());
        break;
      case "endTries":
        this.#later.endTries();
        break;
      case "startGrace":
        this.#later.startGrace(effect.delayMs, () => this.#dispatch({ kind: "graceOver" }));
        break;
      case "startRefill":
        this.#later.startRefill(effect.delayMs, () => this.#dispatch({ kind: "refilled" }));
        break;
      case "endRefill":
        this.#later.endRefill();
        break;
      case "dropStaged":
        this.#mover.discard(this.#record, this.#outlet());
        break;
      case "reopen":
        this.#end.reopen();
        break;
      case "moveNow":
        this.#dispatchMove(this.#moveOnce());
        break;
      case "moveSoon":
        this.#later.moveSoon(() => this.#dispatchMove(this.#moveOnce()));
        break;
      case "close":
        this.#close();
        break;
      case "reportStalled":
        this.#options.onStalled(effect.reason);
        break;
      case "reportDropping":
        this.#options.onDropping(effect.reason);
        break;
      case "reportResumed":
        this.#options.onResumed();
        break;
    }
  }

  #try(): "accepted" | "refused" {
    const before = this.#state.kind;
    return this.#retry().kind === before ? "refused" : "accepted";
  }

  #close(): void {
    const report = this.report();
    this.#fifo.unlink();
    this.#release();
    this.#options.onClosed(report);
  }

  #release(): void {
    this.#later.cancel();
    this.#end.close();
    this.#fifo.close();
    this.#sink.close();
  }
}
