// SPDX-License-Identifier: Apache-2.0
// One stream: performs what `stream-state.ts` decides. Bytes go FIFO → stage → log by splice, at most
// one stage full a turn of the event loop; they never enter this process.

import assert from "node:assert/strict";
import { closeSync } from "node:fs";
import { Fifo } from "../fifo/index.ts";
import { bytesReadable, type Readiness, splice, watchReadable } from "../kernel/index.ts";
import type { Durability, Interference, Refusal } from "../logfile/index.ts";
import { LogSink } from "./log-sink.ts";
import type { StreamReport } from "./messages.ts";
import type { Intent } from "./note.ts";
import type { StreamRecord } from "./record.ts";
import type { Leftover } from "./recovery.ts";
import { type Stage, type StagePool, throwAway } from "./stage-pool.ts";
import {
  type StreamEffect,
  type StreamEvent,
  type StreamState,
  transition,
} from "./stream-state.ts";

/** A stage that is not empty, and how many bytes are in it. */
interface Filled {
  readonly stage: Stage;
  readonly bytes: number;
}

export interface PumpedStreamOptions {
  readonly record: StreamRecord;
  readonly pool: StagePool;
  readonly positionsDirectory: string;
  readonly durability: Durability;
  /** `/dev/null`, open for writing. */
  readonly nullFd: number;
  /** Bytes that a predecessor left in a stage and that the file system still refuses. */
  readonly leftover: Leftover | undefined;
  readonly onStalled: (reason: string) => void;
  readonly onResumed: () => void;
  readonly onInterference: (kind: Interference) => void;
  readonly onClosed: (report: StreamReport) => void;
}

const write: Intent = { kind: "write" };
/** Capacity of a pipe that nobody has resized. */
const takeBytesMin = 65_536;

/** Another stream has the file. */
const superseded: Intent & { readonly kind: "discard" } = { kind: "discard", reason: "superseded" };

export class PumpedStream {
  readonly #options: PumpedStreamOptions;
  readonly #fifo: Fifo;
  readonly #sink: LogSink;
  #record: StreamRecord;
  #state: StreamState;
  #readFd: number;
  /**
   * What is taken at once: as much as there may be, and not much more, for it bounds what is said of
   * a stage that is lost while it is filled. To ask would cost the pipe's lock, which the writer has.
   */
  #takeBytesMax = takeBytesMin;
  #readiness: Readiness | undefined;
  #filled: Filled | undefined;
  #soon: NodeJS.Immediate | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #lastWriteAtMs: number | undefined;

  /** Throws an error with an errno, or a FifoError or LogfileError; nothing is left open then. */
  constructor(options: PumpedStreamOptions) {
    const { record } = options;
    this.#options = options;
    this.#record = record;
    this.#fifo = Fifo.find(record.runRoot, record.relativePipe);
    let sink: LogSink | undefined;
    try {
      const { positionsDirectory, durability, onInterference } = options;
      sink = new LogSink({ target: record, positionsDirectory, durability, onInterference });
      this.#sink = sink;
      this.#state = { kind: sink.isSuperseded ? "discarding" : "logging" };
      this.#readFd = this.#fifo.openForReading();
    } catch (error) {
      sink?.close();
      this.#fifo.close();
      throw error;
    }
    if (options.leftover === undefined) {
      this.#startPolling();
      // A line of ours may be due from before.
      this.#settle(this.#sink.prepare());
    } else {
      this.#filled = options.leftover;
      this.#stall(options.leftover.reason);
    }
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
  supersede(): void {
    this.#sink.supersede();
    this.#dispatch({ kind: "superseded" });
  }

  /** A line of ours for the log. */
  mark(text: string): void {
    this.#settle(this.#sink.mark(text));
  }

  /** Somebody may have moved the log. */
  lookAtFiles(): void {
    this.#settle(this.#sink.look());
  }

  /** Another bound for the log, from now on. */
  reconfigure(limitBytes: number, copies: number): void {
    this.#record = { ...this.#record, limitBytes, copies };
    if (this.#filled !== undefined) {
      this.#options.pool.rebound(this.#filled.stage, this.#record, this.#intent);
    }
    this.#settle(this.#sink.rebound(this.#record));
  }

  /**
   * Moves what is in the stage and in the FIFO now, and lets go of both; the FIFO keeps its name.
   * Returns the bytes that stay in a stage because the file system refuses them.
   */
  drainAndRelease(): number {
    if (this.#filled !== undefined) this.#retry();
    // What stands here may have been the last of it: then the stream has closed itself.
    if (this.#isClosed()) return 0;
    for (let due = bytesReadable(this.#readFd); due > 0 && this.#filled === undefined; ) {
      const moved = this.#moveOnce();
      if (this.#isClosed()) return 0;
      if (moved === 0) break;
      due -= moved;
    }
    const stranded = this.#filled?.bytes ?? 0;
    this.#state = { kind: "closed" };
    this.#release();
    return stranded;
  }

  /** Lets go of FIFO and log between two moves; the FIFO keeps its name. Not while stalled. */
  release(): StreamReport {
    this.#state = { kind: "closed" };
    const report = this.report();
    this.#release();
    return report;
  }

  report(): StreamReport {
    return {
      epoch: this.record.epoch,
      state: this.#state.kind,
      ...this.#sink.report(),
      lastWriteAt:
        this.#lastWriteAtMs === undefined ? null : new Date(this.#lastWriteAtMs).toISOString(),
    };
  }

  /** One bounded move; returns the bytes taken from the FIFO. */
  #moveOnce(): number {
    assert.equal(this.#filled, undefined, "bytes in a stage come before those in the FIFO");
    if (this.#settle(this.#sink.prepare()) === "stalled") return 0;
    const { pool } = this.#options;
    const stage = pool.take(this.#record, this.#intent, this.#place, this.#takeBytesMax);
    if (stage === undefined) {
      this.#stall("all stages are in use by streams that are stalled");
      return 0;
    }
    const bytesMax = Math.min(this.#takeBytesMax, stage.capacityBytes);
    const moved = splice(this.#readFd, stage.fd, bytesMax);
    if (moved === bytesMax) this.#takeBytesMax = Math.min(2 * bytesMax, stage.capacityBytes);
    if (moved === "wouldBlock" || moved === 0) {
      pool.give(stage);
      if (moved === 0) this.#dispatch({ kind: "endOfFile" });
      return 0;
    }
    pool.filled(stage, moved);
    this.#filled = { stage, bytes: moved };
    this.#empty(this.#filled);
    this.#dispatch({ kind: "moved" });
    return moved;
  }

  /** Empties the stage into the log; what the file system refuses stays in it. */
  #empty(filled: Filled): void {
    if (this.#state.kind === "discarding") {
      const total = this.#place + filled.bytes;
      throwAway(filled.stage, filled.bytes, this.#options.nullFd);
      this.#sink.drop(superseded.reason, total);
    } else {
      const { movedBytes, refusal } = this.#sink.append(filled.stage.fd, filled.bytes);
      if (movedBytes > 0) this.#lastWriteAtMs = Date.now();
      if (refusal !== undefined) {
        this.#filled = { stage: filled.stage, bytes: filled.bytes - movedBytes };
        this.#stall(refusal.message);
        return;
      }
    }
    this.#filled = undefined;
    this.#options.pool.give(filled.stage);
  }

  /** What becomes of the bytes that are taken now. */
  get #intent(): Intent {
    return this.#state.kind === "discarding" ? superseded : write;
  }

  /** Where they begin: the log's end, or what was dropped before them. */
  get #place(): number {
    if (this.#state.kind === "discarding") return this.#sink.dropped(superseded.reason);
    return this.#sink.offset;
  }

  #settle(refusal: Refusal | undefined): "well" | "stalled" {
    if (refusal === undefined) return "well";
    this.#stall(refusal.message);
    return "stalled";
  }

  #stall(reason: string): void {
    this.#dispatch({ kind: "refused" });
    if (this.#state.kind === "stalled" && this.#state.attempt === 0) {
      this.#options.onStalled(reason);
    }
  }

  #retry(): void {
    if (this.#filled !== undefined) {
      this.#empty(this.#filled);
      if (this.#filled !== undefined) return;
    } else if (this.#sink.prepare() !== undefined || !this.#options.pool.hasFree()) {
      this.#dispatch({ kind: "refused" });
      return;
    }
    if (this.#state.kind === "stalled") this.#options.onResumed();
    this.#dispatch({ kind: "accepted" });
  }

  /** A method, since the compiler does not see that other methods change the state. */
  #isClosed(): boolean {
    return this.#state.kind === "closed";
  }

  #dispatch(event: StreamEvent): void {
    const { state, effects } = transition(this.#state, event);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: StreamEffect): void {
    switch (effect.kind) {
      case "startPolling":
        this.#startPolling();
        break;
      case "stopPolling":
        // What is refused goes first: nothing more may be taken from the FIFO before it.
        clearImmediate(this.#soon);
        this.#soon = undefined;
        this.#stopPolling();
        break;
      case "retryAfter":
        clearTimeout(this.#retryTimer);
        this.#retryTimer = setTimeout(() => this.#retry(), effect.delayMs);
        break;
      case "reopen":
        this.#reopen();
        break;
      case "moveNow":
        this.#moveOnce();
        break;
      case "moveSoon":
        this.#soon ??= setImmediate(() => {
          this.#soon = undefined;
          this.#moveOnce();
        });
        break;
      case "close":
        this.#close();
        break;
    }
  }

  #startPolling(): void {
    this.#readiness ??= watchReadable(this.#readFd, () => this.#moveOnce());
  }

  #stopPolling(): void {
    this.#readiness?.close();
    this.#readiness = undefined;
  }

  /** Opens the new end before the old one goes: with no reader at all a new writer would get EPIPE. */
  #reopen(): void {
    const wasPolling = this.#readiness !== undefined;
    this.#stopPolling();
    const old = this.#readFd;
    this.#readFd = this.#fifo.openForReading();
    closeSync(old);
    if (wasPolling) this.#startPolling();
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
    this.#stopPolling();
    closeSync(this.#readFd);
    this.#fifo.close();
    this.#sink.close();
  }
}
