// SPDX-License-Identifier: Apache-2.0
// The resource `streams`: each log with its counters, and the wait for the end of one. To add a
// counter, add its line to `counters`; the daemon passes on what its pump reports under that name.

import * as v from "valibot";
import { type Shaped, shapeSchema } from "../../program/index.ts";

export const streamsPath = "/v1/streams";

/** Long poll. With a query `stalledSince` it ends, too, when the stall is not the one of that time. */
export function closedPath(epoch: string): string {
  return `${streamsPath}/${epoch}/closed`;
}

const request = {
  /** `null` for the host's own logs. */
  domid: "countOrNull",
  name: "text",
  log: "text",
  id: "count",
  state: ["pending", "ready", "failed", "closing", "closed"],
  pipe: "text",
  file: "text",
  limit: "count",
  /** Rotated files kept. */
  copies: "count",
  overflow: ["auto", "block", "drop"],
  /** Random, new with each request. */
  epoch: "text",
  /** Why `state` is `failed`; with another, why what was written later is not used. */
  error: "textOrNull",
} as const;

/** Bytes, unless the name says otherwise. */
const counters = {
  /** Position after the newest byte, counted from the start of the epoch. */
  offset: "count",
  oldestOffset: "count",
  /** On disk now, over all files of the stream. */
  sizeBytes: "count",
  /** Never more than this on disk: limit × (copies + 1). Not reported: the daemon computes it. */
  boundBytes: "count",
  rotations: "count",
  writtenBytes: "count",
  droppedBytes: "countsByReason",
  /** ISO 8601, UTC. */
  lastWriteAt: "textOrNull",
  /** In the files, but sent by no writer: `marker` are lines of xenlogd, `foreign` is what other programs wrote. */
  insertedBytes: "countsByReason",
} as const;

const condition = {
  /** Null while what comes can be written: its log refuses bytes, or cannot be opened again. */
  stalled: {
    reason: "text",
    /** Mount point of the file system that the log is on. */
    fileSystem: "text",
    /** ISO 8601, UTC. */
    since: "text",
  },
  /** Null unless the bytes that come meanwhile are dropped, as `overflow` says. */
  dropping: {
    /** ISO 8601, UTC. */
    since: "text",
  },
} as const;

/** One stream as its daemon sees it now. The order of the fields is frozen. */
export type StreamStatus = Shaped<typeof request> &
  Shaped<typeof counters> &
  Shaped<typeof condition>;

export type RequestState = StreamStatus["state"];

/** What a pump counts of a stream. */
export type StreamCounters = Omit<Shaped<typeof counters>, "boundBytes">;

export const streamStatusSchema: v.GenericSchema<unknown, StreamStatus> = shapeSchema({
  ...request,
  ...counters,
  ...condition,
});

export const streamListSchema: v.GenericSchema<unknown, readonly StreamStatus[]> =
  v.array(streamStatusSchema);

const nothing = { count: 0, countsByReason: {}, textOrNull: null } as const;

/** The counters of a report and nothing else of it; all are zero when nothing was reported yet. */
export function countersOf(report: StreamCounters | undefined): StreamCounters {
  const reported: Partial<Shaped<typeof counters>> = report ?? {};
  const names = Object.keys(counters) as (keyof typeof counters)[];
  const entries = names.map((name) => [name, reported[name] ?? nothing[counters[name]]]);
  return Object.fromEntries(entries) as StreamCounters;
}

/** What the server asks its daemon about streams. */
export interface StreamsSource {
  /** `all` adds the streams that are closed. */
  streams(options: { readonly all: boolean }): Promise<readonly StreamStatus[]>;
  /**
   * Resolves with the last status once the stream is closed, with `undefined` if there is none; with
   * `stalledSince` also with its status when it has not the stall of that time, empty for none.
   */
  waitClosed(
    epoch: string,
    signal: AbortSignal,
    stalledSince?: string,
  ): Promise<StreamStatus | undefined>;
}
