// SPDX-License-Identifier: Apache-2.0
// What the control API speaks about, as types and as schemas for what comes over the socket.
// Fields are added, never renamed; a client ignores those it does not know.

import * as v from "valibot";

export type StreamState = "pending" | "ready" | "failed" | "closing" | "closed";

/** One stream as its daemon sees it now. Integers are bytes unless said otherwise. */
export interface StreamStatus {
  /** `null` for the host's own logs. */
  readonly domid: number | null;
  readonly name: string;
  readonly log: string;
  readonly id: number;
  readonly state: StreamState;
  readonly pipe: string;
  readonly file: string;
  readonly limit: number;
  /** Rotated files kept. */
  readonly copies: number;
  readonly overflow: "auto" | "block" | "drop";
  /** Random, new with each request. */
  readonly epoch: string;
  /** Why `state` is `failed`; with another, why what was written later is not used. */
  readonly error: string | null;
  /** Position after the newest byte, counted from the start of the epoch. */
  readonly offset: number;
  readonly oldestOffset: number;
  /** On disk now, over all files of the stream. */
  readonly sizeBytes: number;
  /** Never more than this on disk: limit × (copies + 1). */
  readonly boundBytes: number;
  /** A count. */
  readonly rotations: number;
  readonly writtenBytes: number;
  /** By reason. */
  readonly droppedBytes: Readonly<Record<string, number>>;
  /** ISO 8601, UTC. */
  readonly lastWriteAt: string | null;
}

export interface DaemonStatus {
  readonly pid: number;
  readonly version: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly mode: "embedded" | "host";
  /** D of an embedded daemon. */
  readonly directory: string | null;
  /** Started by `xenlog run`, ends with the last of them. */
  readonly transient: boolean;
  readonly xenstore: "connected" | "lost";
}

export type ReloadOutcome =
  | { readonly kind: "reloaded" }
  /** The configuration before goes on. */
  | { readonly kind: "refused"; readonly reason: string };

/** What the control server asks its daemon. */
export interface ControlSource {
  status(): DaemonStatus;
  /** `all` adds the streams that are closed. */
  streams(options: { readonly all: boolean }): Promise<readonly StreamStatus[]>;
  /** Resolves with the last status once the stream is closed, with `undefined` if there is none. */
  waitClosed(epoch: string, signal: AbortSignal): Promise<StreamStatus | undefined>;
  /** Begins an orderly stop; returns at once. */
  stop(): void;
  /** Reads the configuration again, and looks for log files that were moved. */
  reload(): ReloadOutcome;
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

export const streamStatusSchema: v.GenericSchema<unknown, StreamStatus> = v.object({
  domid: v.nullable(count),
  name: v.string(),
  log: v.string(),
  id: count,
  state: v.picklist(["pending", "ready", "failed", "closing", "closed"]),
  pipe: v.string(),
  file: v.string(),
  limit: count,
  copies: count,
  overflow: v.picklist(["auto", "block", "drop"]),
  epoch: v.string(),
  error: v.nullable(v.string()),
  offset: count,
  oldestOffset: count,
  sizeBytes: count,
  boundBytes: count,
  rotations: count,
  writtenBytes: count,
  droppedBytes: v.record(v.string(), count),
  lastWriteAt: v.nullable(v.string()),
});

export const streamListSchema: v.GenericSchema<unknown, readonly StreamStatus[]> =
  v.array(streamStatusSchema);

export const daemonStatusSchema: v.GenericSchema<unknown, DaemonStatus> = v.object({
  pid: count,
  version: v.string(),
  startedAt: v.string(),
  mode: v.picklist(["embedded", "host"]),
  directory: v.nullable(v.string()),
  transient: v.boolean(),
  xenstore: v.picklist(["connected", "lost"]),
});

export const errorBodySchema: v.GenericSchema<
  unknown,
  { readonly error: { readonly code: string; readonly message: string } }
> = v.object({ error: v.object({ code: v.string(), message: v.string() }) });
