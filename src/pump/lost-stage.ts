// SPDX-License-Identifier: Apache-2.0
// Counts the bytes of a stage that is gone: its note and its stream's record say how many of them
// were in no file. The log gets a marker in their place.

import { lossMarker } from "./markers.ts";
import type { Fill, OwnerNote } from "./note.ts";
import type { FoundStage } from "./stage-pool.ts";
import type { StreamSink } from "./stream-sink.ts";

export interface LostBytes {
  readonly bytes: number;
  /** `atMost` if the pump was killed while it took them. */
  readonly certainty: "exact" | "atMost";
}

/** Whether the note is that of a stage which is gone. */
export function isLost({ stage, note }: FoundStage): boolean {
  return note !== undefined && note.stageInode !== stage.inode;
}

/** Counts what the stage held, once per stage; returns what is to be reported. */
export function countLost(
  sink: StreamSink,
  fill: Exclude<Fill, { readonly kind: "empty" }>,
  { stageInode, intent }: OwnerNote,
): LostBytes | undefined {
  const { positions } = sink;
  if (intent.kind === "discard") {
    const total = fill.totalBefore + fill.bytes;
    if (fill.kind === "filled") positions.droppedUpTo(intent.reason, total);
    return undefined;
  }
  const written = positions.writtenBytes - fill.totalBefore;
  const bytes = Math.min(fill.bytes, Math.max(0, fill.bytes - written));
  if (bytes === 0) return undefined;
  const certainty = fill.kind === "filled" ? "exact" : "atMost";
  const text = lossMarker(bytes, certainty, Date.now());
  const counted = certainty === "exact" ? bytes : 0;
  if (positions.lost(stageInode, "crash", counted, text) === "countedBefore") return undefined;
  // If the marker cannot be written, data cannot either; the next append reports it.
  sink.prepare();
  return { bytes, certainty };
}
