// SPDX-License-Identifier: Apache-2.0
// What the main process and a pump say to each other over their IPC channel.

import * as v from "valibot";
import type { FsyncPolicy, Interference, LogBound } from "../logfile/index.ts";
import type { StageLocation } from "../vault/index.ts";
import {
  boundEntries,
  count,
  type LogRate,
  rateEntries,
  type StreamRecord,
  streamRecordSchema,
} from "./record.ts";
import type { StreamState } from "./stream-state.ts";
import type { Rate } from "./token-bucket.ts";

/** What is configured for the streams of all logs. */
export interface PumpPolicies {
  readonly fsync: FsyncPolicy;
  readonly overflow: OverflowPolicy;
  /** Of domains' logs whose requests have none; null for no limit. */
  readonly rate: Rate | null;
}

export interface OverflowPolicy {
  /** How long a stream of `overflow` `auto` waits for its log before its bytes are dropped. */
  readonly graceMs: number;
}

export interface PumpStart extends PumpPolicies {
  readonly type: "start";
  /** Held while the pump lives; a successor waits for it. */
  readonly lockFile: string;
  readonly notesFile: string;
  readonly positionsDirectory: string;
  readonly stages: readonly StageLocation[];
  /** The directory of the first log: it identifies the file system. */
  readonly directory: string;
  /** The file system that the pump has to find there; null if any will do. */
  readonly contents: string | null;
  /** The file system that the bytes in the stages belong to; null if none was reported. */
  readonly recorded: string | null;
}

export type ToPump =
  | PumpStart
  /** With `fifoLostAtMs` the log has to say that the FIFO's content was lost; once for each value. */
  | { readonly type: "open"; readonly record: StreamRecord; readonly fifoLostAtMs?: number }
  /** The stream's nodes are gone: close it when its last writer is. */
  | { readonly type: "nodesGone"; readonly epoch: string }
  | { readonly type: "nodesBack"; readonly epoch: string }
  /** The stream's bound and rate from now on. */
  | ({ readonly type: "reconfigure"; readonly epoch: string } & LogBound & LogRate)
  /** For all streams, those that are open too. */
  | ({ readonly type: "configure" } & PumpPolicies)
  /** Others may have moved log files. */
  | { readonly type: "reopen" }
  | { readonly type: "report"; readonly request: number }
  /** Move what the FIFOs hold now, then exit. */
  | { readonly type: "stop" };

export interface StreamReport {
  readonly epoch: string;
  readonly state: StreamState["kind"];
  /** Offset of the next byte within the epoch, and of the oldest one still on disk. */
  readonly offset: number;
  readonly oldestOffset: number;
  /** Bytes on disk, all files of the log. */
  readonly sizeBytes: number;
  readonly rotations: number;
  readonly writtenBytes: number;
  /** By reason. */
  readonly droppedBytes: Record<string, number>;
  /** Bytes in the files that no writer sent, by whom: `marker` are lines of xenlogd. */
  readonly insertedBytes: Record<string, number>;
  /** ISO 8601, UTC; null when nothing was written since the pump started. */
  readonly lastWriteAt: string | null;
}

export type FromPump =
  /** `contents` identifies the file system, null if the directory cannot be opened. */
  | { readonly type: "started"; readonly contents: string | null }
  /** What could not be found out at the start: the stages are those of that file system. */
  | { readonly type: "identified"; readonly contents: string }
  /** The last message: the stages belong to another file system; they were not touched. */
  | { readonly type: "otherContents"; readonly contents: string | null }
  | { readonly type: "opened"; readonly epoch: string }
  | {
      readonly type: "notOpened";
      readonly epoch: string;
      readonly reason: string;
      /** `noFifo`: there is nothing left to read from; `renewed`: its FIFO has a newer request. */
      readonly cause: "noFifo" | "renewed" | "other";
    }
  | { readonly type: "closed"; readonly report: StreamReport }
  | {
      readonly type: "report";
      readonly request: number;
      readonly streams: readonly StreamReport[];
    }
  /** Bytes that a stage held when the pump before this one died, now in their log. */
  | { readonly type: "recovered"; readonly epoch: string; readonly bytes: number }
  /** Bytes in a stage whose owner is unknown: thrown away. */
  | { readonly type: "orphaned"; readonly bytes: number }
  /** Bytes that went with a stage that is gone; `atMost` if the pump died while it took them. */
  | {
      readonly type: "lost";
      readonly epoch: string;
      readonly bytes: number;
      readonly certainty: "exact" | "atMost";
    }
  /** Others have changed the files of the log. */
  | ({ readonly type: "interfered"; readonly epoch: string } & Interference)
  | { readonly type: "stalled"; readonly epoch: string; readonly reason: string }
  /** Stalled for too long: from now on its bytes are counted, not logged. */
  | { readonly type: "dropping"; readonly epoch: string; readonly reason: string }
  | { readonly type: "resumed"; readonly epoch: string }
  /** The last message; these bytes are still in stages because the file system refused them. */
  | { readonly type: "stopped"; readonly strandedBytes: number };

const epoch = v.string();

const fsyncSchema: v.GenericSchema<unknown, FsyncPolicy> = v.variant("kind", [
  v.object({ kind: v.literal("none") }),
  v.object({ kind: v.literal("rotate") }),
  v.object({ kind: v.literal("interval"), intervalMs: v.pipe(count, v.minValue(1)) }),
]);

const positive = v.pipe(count, v.minValue(1));
const rate = v.nullable(v.object({ bytesPerSecond: positive, burstBytes: positive }));
const policies = { fsync: fsyncSchema, overflow: v.object({ graceMs: count }), rate };

const toPumpSchema: v.GenericSchema<unknown, ToPump> = v.variant("type", [
  v.object({
    type: v.literal("start"),
    lockFile: v.string(),
    notesFile: v.string(),
    positionsDirectory: v.string(),
    stages: v.array(v.object({ path: v.string(), inode: count })),
    ...policies,
    directory: v.string(),
    contents: v.nullable(v.string()),
    recorded: v.nullable(v.string()),
  }),
  v.object({
    type: v.literal("open"),
    record: streamRecordSchema,
    fifoLostAtMs: v.exactOptional(count),
  }),
  v.object({ type: v.literal("nodesGone"), epoch }),
  v.object({ type: v.literal("nodesBack"), epoch }),
  v.object({
    type: v.literal("reconfigure"),
    epoch,
    ...boundEntries,
    ...rateEntries,
  }),
  v.object({ type: v.literal("configure"), ...policies }),
  v.object({ type: v.literal("reopen") }),
  v.object({ type: v.literal("report"), request: count }),
  v.object({ type: v.literal("stop") }),
]);

const reportSchema = v.object({
  epoch,
  state: v.picklist([
    "logging",
    "lastWords",
    "stalled",
    "dropping",
    "throttled",
    "shedding",
    "discarding",
    "closed",
  ]),
  offset: count,
  oldestOffset: count,
  sizeBytes: count,
  rotations: count,
  writtenBytes: count,
  droppedBytes: v.record(v.string(), count),
  insertedBytes: v.record(v.string(), count),
  lastWriteAt: v.nullable(v.string()),
});

const fromPumpSchema: v.GenericSchema<unknown, FromPump> = v.variant("type", [
  v.object({ type: v.literal("started"), contents: v.nullable(v.string()) }),
  v.object({ type: v.literal("identified"), contents: v.string() }),
  v.object({ type: v.literal("otherContents"), contents: v.nullable(v.string()) }),
  v.object({ type: v.literal("opened"), epoch }),
  v.object({
    type: v.literal("notOpened"),
    epoch,
    reason: v.string(),
    cause: v.picklist(["noFifo", "renewed", "other"]),
  }),
  v.object({ type: v.literal("closed"), report: reportSchema }),
  v.object({ type: v.literal("report"), request: count, streams: v.array(reportSchema) }),
  v.object({ type: v.literal("recovered"), epoch, bytes: count }),
  v.object({ type: v.literal("orphaned"), bytes: count }),
  v.object({
    type: v.literal("lost"),
    epoch,
    bytes: count,
    certainty: v.picklist(["exact", "atMost"]),
  }),
  v.object({
    type: v.literal("interfered"),
    epoch,
    what: v.picklist(["truncated", "extended", "renamed", "replaced", "directory"]),
    to: v.optional(v.string()),
  }),
  v.object({ type: v.literal("stalled"), epoch, reason: v.string() }),
  v.object({ type: v.literal("dropping"), epoch, reason: v.string() }),
  v.object({ type: v.literal("resumed"), epoch }),
  v.object({ type: v.literal("stopped"), strandedBytes: count }),
]);

/** Throws ValiError: the other side is of another version, or another program. */
export function parseToPump(message: unknown): ToPump {
  return v.parse(toPumpSchema, message);
}

export function parseFromPump(message: unknown): FromPump {
  return v.parse(fromPumpSchema, message);
}
