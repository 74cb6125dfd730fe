// SPDX-License-Identifier: Apache-2.0
// What a killed pump left in its stages goes where the owner notes say: into the log, or to a counter.
// What the file system still refuses is tried again until its stream is opened and takes it over.
// Needs neither xenstore nor the main process's stream table.

import {
  type Durability,
  type OpenDirectories,
  type Refusal,
  refusalOf,
} from "../logfile/index.ts";
import { RetryTimer } from "../program/index.ts";
import type { FormerLog } from "./former-log.ts";
import { type LogSink, openSink } from "./log-sink.ts";
import { countLost, isLost } from "./lost-stage.ts";
import type { FromPump } from "./messages.ts";
import type { FilledStage } from "./mover.ts";
import type { OwnerNote } from "./note.ts";
import { isKnown, noteWritten, writtenBytesOf } from "./position-files.ts";
import { isSameFile, type LogTarget } from "./record.ts";
import type { StageOwner } from "./stage-owner.ts";
import { type FoundStage, type StagePool, throwAway } from "./stage-pool.ts";

export interface RecoveryOptions {
  readonly pool: StagePool;
  readonly positionsDirectory: string;
  readonly durability: Durability;
  readonly directories: OpenDirectories;
  readonly nullFd: number;
  readonly send: (message: FromPump) => void;
  readonly owner: StageOwner;
}

/** Bytes that the file system refuses; they stay in their stage. */
export interface Leftover extends FilledStage {
  readonly target: LogTarget;
  readonly refusal: Refusal;
}

const backoff = { firstMs: 1000, maxMs: 1000 };

export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #leftovers: Map<string, Leftover> = new Map();
  readonly #retryTimer: RetryTimer = new RetryTimer({ backoff, attempt: () => this.#retry() });

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** Empties the stages before any FIFO is read: their bytes come first. */
  begin(): void {
    const found = this.#options.pool.findAll();
    // Lost bytes came before those that are taken next.
    for (const stage of found.filter(isLost)) this.#recoverLost(stage);
    for (const stage of found) if (!isLost(stage)) this.#recover(stage);
    this.#arm();
  }

  get leftovers(): readonly Leftover[] {
    return [...this.#leftovers.values()];
  }

  /**
   * What the stream of that epoch has to write before all else. Throws LogfileError while its log is
   * on another file system than it was.
   */
  leftoverOf(epoch: string): Leftover | undefined {
    const leftover = this.#leftovers.get(epoch);
    if (leftover !== undefined) this.#options.owner.require(leftover.target);
    return leftover;
  }

  /** The stream is open and has its leftover. */
  takenOver(epoch: string): void {
    this.#leftovers.delete(epoch);
  }

  /** Whether bytes of another epoch have to go into that file first. */
  comesBefore(target: LogTarget): boolean {
    return this.leftovers.some(
      (left) => left.target.epoch !== target.epoch && isSameFile(left.target, target),
    );
  }

  /** Tries for the last time; returns the bytes that stay in stages. */
  stop(): number {
    this.#retry();
    this.cancel();
    return this.leftovers.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Leaves the stages as they are. */
  cancel(): void {
    this.#retryTimer.cancel();
  }

  #retry(): void {
    for (const { target, stage, bytes } of this.leftovers) this.#write(target, { stage, bytes });
    this.#arm();
  }

  #arm(): void {
    if (this.#leftovers.size > 0) this.#retryTimer.again();
    else this.#retryTimer.cancel();
  }

  /** A stage that is there still. */
  #recover(found: FoundStage): void {
    const { stage, bytes, note } = found;
    const { pool, nullFd, send } = this.#options;
    if (note?.intent.kind === "write") this.#noteWritten(found, note);
    if (note?.intent.kind === "discard") {
      this.#discard(found, note);
      if (bytes > 0) pool.give(stage);
      else pool.emptied(stage);
    } else if (bytes === 0) {
      pool.emptied(stage);
    } else if (note === undefined) {
      // A note is written before its stage is filled: bytes without one are not from a pump.
      throwAway(stage, bytes, nullFd);
      send({ type: "orphaned", bytes });
      pool.give(stage);
    } else {
      this.#write(note.target, { stage, bytes });
    }
  }

  /** What came to the log of a stage's bytes, noted before more of them do. */
  #noteWritten({ stage, bytes, fill }: FoundStage, { target }: OwnerNote): void {
    const { pool, positionsDirectory } = this.#options;
    try {
      if (fill.kind === "filled") {
        noteWritten(positionsDirectory, target, fill.totalBefore + fill.bytes - bytes);
      } else if (bytes > 0) {
        // None of them is in the log, for that their number is noted first.
        pool.holds(stage, bytes, writtenBytesOf(positionsDirectory, target));
      }
    } catch (error) {
      // A record that cannot be opened is reported when the bytes are to be written.
      refusalOf(error);
    }
  }

  /** Empties a stage into its log; what that refuses is left over. Not for a stream that is open. */
  #write(target: LogTarget, { stage, bytes }: FilledStage): void {
    const { pool, nullFd, send } = this.#options;
    const { epoch } = target;
    const { movedBytes, refusal } = this.#withSink(
      target,
      (sink) => sink.outlet({ kind: "write" }, nullFd).accept(stage, bytes),
      (refusal) => ({ movedBytes: 0, refusal }),
    );
    if (movedBytes > 0) send({ type: "recovered", epoch, bytes: movedBytes });
    if (refusal === undefined) {
      this.#leftovers.delete(epoch);
      pool.give(stage);
    } else {
      this.#leftovers.set(epoch, { target, stage, bytes: bytes - movedBytes, refusal });
    }
  }

  /** The total is the one before plus what was taken, however often this is done. */
  #discard({ stage, bytes, fill }: FoundStage, { target, intent }: OwnerNote): void {
    if (intent.kind !== "discard") return;
    const { pool, positionsDirectory, nullFd } = this.#options;
    const taken = fill.kind === "filled" ? fill.bytes : bytes;
    if (fill.kind === "empty" || taken === 0) return;
    if (fill.kind === "taking") pool.filled(stage, taken);
    throwAway(stage, bytes, nullFd);
    // The counters of a closed stream were reported, and its record is gone.
    if (!isKnown(positionsDirectory, target)) return;
    this.#withSink(
      target,
      ({ positions }) => positions.droppedUpTo(intent.reason, fill.totalBefore + taken),
      leaveToStream,
    );
  }

  /** A stage that was lost together with its pump and its holder. */
  #recoverLost(found: FoundStage): void {
    const { stage, note, fill } = found;
    const { pool, positionsDirectory, send } = this.#options;
    if (note === undefined) return;
    if (fill.kind !== "empty" && isKnown(positionsDirectory, note.target)) {
      const isOpen = note.intent.kind === "write" && fill.kind === "filled";
      this.#withSink(
        note.target,
        (sink) => {
          const lost = countLost(sink, fill, note);
          if (lost !== undefined) send({ type: "lost", epoch: note.target.epoch, ...lost });
        },
        leaveToStream,
        isOpen ? fill.totalBefore + fill.bytes : 0,
      );
    }
    pool.forget(stage);
  }

  /** A log that cannot be opened gives its reason to `refused`. */
  #withSink<T>(
    target: LogTarget,
    use: (sink: LogSink | FormerLog) => T,
    refused: (refusal: Refusal) => T,
    writtenMax = 0,
  ): T {
    const { owner } = this.#options;
    let sink: LogSink | FormerLog;
    try {
      // Another disk may be mounted where the log was. Its bytes wait then, as for a full disk.
      owner.require(target);
      sink = openSink({
        ...this.#options,
        target,
        onInterference: () => {},
        onLive: () => {},
        writtenMax,
      });
    } catch (error) {
      return refused(refusalOf(error));
    }
    try {
      return use(sink);
    } finally {
      sink.close();
    }
  }
}

/** The stream meets the same refusal when it is opened, and reports it. */
function leaveToStream(): void {}
