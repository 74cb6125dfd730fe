// SPDX-License-Identifier: Apache-2.0
// What a killed pump left in its stages goes where the owner notes say: into the log, or to a counter.
// A stage that is gone is told of: how many of its bytes were in no file, and that in the log, in
// place. Needs neither xenstore nor the main process's stream table.

import { type Appended, type Durability, type Refusal, refusalOf } from "../logfile/index.ts";
import { LogSink } from "./log-sink.ts";
import type { FromPump } from "./messages.ts";
import type { OwnerNote } from "./note.ts";
import type { LogTarget } from "./record.ts";
import { type FoundStage, type Stage, type StagePool, throwAway } from "./stage-pool.ts";

export interface RecoveryOptions {
  readonly pool: StagePool;
  readonly positionsDirectory: string;
  readonly durability: Durability;
  readonly nullFd: number;
  readonly send: (message: FromPump) => void;
}

/** Bytes that the file system refuses stay in their stage, to be tried again. */
export interface Leftover {
  readonly target: LogTarget;
  readonly stage: Stage;
  readonly bytes: number;
  readonly reason: string;
}

export function recoverStages(options: RecoveryOptions): readonly Leftover[] {
  const found = options.pool.findAll();
  const isLost = ({ stage, note }: FoundStage): boolean =>
    note !== undefined && note.stageInode !== stage.inode;
  // What was lost came before whatever is taken next.
  for (const stage of found.filter(isLost)) settleLost(stage, options);
  return found
    .filter((stage) => !isLost(stage))
    .map((stage) => settle(stage, options))
    .filter((leftover) => leftover !== undefined);
}

/** A stage that is there still. */
function settle(found: FoundStage, options: RecoveryOptions): Leftover | undefined {
  const { stage, bytes, note } = found;
  const { pool, send } = options;
  if (note?.intent.kind === "discard") {
    discard(found, note, options);
    if (bytes > 0) pool.give(stage);
    else pool.emptied(stage);
    return undefined;
  }
  if (bytes === 0) {
    pool.emptied(stage);
    return undefined;
  }
  if (note === undefined) {
    // Notes are written before a stage is filled: without one the bytes are not from us.
    throwAway(stage, bytes, options.nullFd);
    send({ type: "orphaned", bytes });
    pool.give(stage);
    return undefined;
  }
  return writeLeftover({ target: note.target, stage, bytes }, options);
}

/** Empties a stage into its log; what that refuses is left over. Not for a stream that is open. */
export function writeLeftover(
  { target, stage, bytes }: Omit<Leftover, "reason">,
  options: RecoveryOptions,
): Leftover | undefined {
  const { movedBytes, refusal } = withSink<Appended>(
    target,
    options,
    (sink) => sink.append(stage.fd, bytes),
    (refusal) => ({ movedBytes: 0, refusal }),
  );
  const { epoch } = target;
  if (movedBytes > 0) options.send({ type: "recovered", epoch, bytes: movedBytes });
  if (refusal !== undefined) {
    return { target, stage, bytes: bytes - movedBytes, reason: refusal.message };
  }
  options.pool.give(stage);
  return undefined;
}

/** The total is the one before plus what was taken, however often this is done. */
function discard(found: FoundStage, note: OwnerNote, options: RecoveryOptions): void {
  const { stage, bytes, fill } = found;
  const { target, intent } = note;
  if (intent.kind !== "discard") return;
  const taken = fill.kind === "filled" ? fill.bytes : bytes;
  if (fill.kind === "empty" || taken === 0) return;
  if (fill.kind === "taking") options.pool.filled(stage, taken);
  throwAway(stage, bytes, options.nullFd);
  // A stream that is closed has told its counters, and its record went with it.
  if (!LogSink.isKnown(options.positionsDirectory, target)) return;
  const drop = (sink: LogSink): void => sink.drop(intent.reason, fill.at + taken);
  withSink(target, options, drop, untold);
}

/** A stage that went with its pump and the vault. */
function settleLost(found: FoundStage, options: RecoveryOptions): void {
  const { stage, note, fill } = found;
  if (note === undefined) return;
  const { target } = note;
  if (fill.kind !== "empty" && LogSink.isKnown(options.positionsDirectory, target)) {
    withSink(target, options, (sink) => tellLost(sink, found, note, options), untold);
  }
  options.pool.forget(stage);
}

function tellLost(
  sink: LogSink,
  { fill }: FoundStage,
  { target, stageInode, intent }: OwnerNote,
  options: RecoveryOptions,
): void {
  if (fill.kind === "empty") return;
  if (intent.kind === "discard") {
    if (fill.kind === "filled") sink.drop(intent.reason, fill.at + fill.bytes);
    return;
  }
  const written = sink.offset - fill.at;
  const bytes = Math.min(fill.bytes, Math.max(0, fill.bytes - written));
  if (bytes === 0) return;
  const { epoch } = target;
  const certainty = fill.kind === "filled" ? "exact" : "atMost";
  if (sink.lose(stageInode, certainty, bytes) === "told") {
    options.send({ type: "lost", epoch, bytes, certainty });
  }
}

/** Its stream will say what is in the way. */
function untold(): void {}

/** A log that cannot be opened says why to `refused`. */
function withSink<T>(
  target: LogTarget,
  { positionsDirectory, durability }: RecoveryOptions,
  use: (sink: LogSink) => T,
  refused: (refusal: Refusal) => T,
): T {
  let sink: LogSink;
  try {
    sink = new LogSink({ target, positionsDirectory, durability, onInterference: () => {} });
  } catch (error) {
    return refused(refusalOf(error));
  }
  try {
    return use(sink);
  } finally {
    sink.close();
  }
}
