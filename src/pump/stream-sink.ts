// SPDX-License-Identifier: Apache-2.0
// What a stream has of its log: the log itself (`LogSink`), or the counters that stay when another
// stream has the file (`FormerLog`).

import type { Refusal } from "../logfile/index.ts";
import type { StreamReport } from "./messages.ts";
import type { Intent } from "./note.ts";
import type { Outlet } from "./outlet.ts";
import type { Positions } from "./positions.ts";
import type { LogTarget } from "./record.ts";

export interface StreamSink {
  readonly positions: Positions;
  /** Where bytes go that have that intent. */
  outlet(intent: Intent, nullFd: number): Outlet;
  /** The stream's end in its log. */
  readonly offset: number;
  /** Writes due markers and applies a new bound; returns why that is not possible. */
  prepare(): Refusal | undefined;
  /** A marker: after the bytes that are in the log now, before those that come. */
  mark(text: string): Refusal | undefined;
  /** Looks at once whether others have moved the files. */
  look(): Refusal | undefined;
  reconfigure(target: LogTarget): Refusal | undefined;
  report(): SinkReport;
  close(): void;
}

export type SinkReport = Omit<StreamReport, "epoch" | "state">;

export function sinkReport(
  positions: Positions,
  liveBytes: number,
  copiesBytes: number,
  lastWriteAtMs: number | undefined,
): SinkReport {
  const position = positions.of(liveBytes, copiesBytes);
  const { oldest, end, rotations, writtenBytes, inserted, dropped } = position;
  return {
    offset: end,
    oldestOffset: oldest,
    sizeBytes: copiesBytes + liveBytes,
    rotations,
    writtenBytes,
    droppedBytes: { ...dropped },
    insertedBytes: { ...inserted },
    lastWriteAt: lastWriteAtMs === undefined ? null : new Date(lastWriteAtMs).toISOString(),
  };
}
