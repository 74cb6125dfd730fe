// SPDX-License-Identifier: Apache-2.0
// Writes a marker that is due so that it stands in the log once, also after a kill at any instant:
// its place is noted first, and a successor writes it at the same place again.

import type { IndexWriter, RotatingFile } from "../logfile/index.ts";
import { wordsForCause } from "./drop-cause.ts";
import { droppedMarker } from "./markers.ts";
import type { DropSpan, PendingMarker } from "./position-record.ts";
import type { Positions } from "./positions.ts";

export interface MarkedLog {
  readonly file: RotatingFile;
  readonly positions: Positions;
  readonly index: IndexWriter;
}

/** Room for a marker and the newline that may have to go before it. */
const markerBytesMax = 1024;

/** Does the next step for the first marker that is due: `written` when it is in the log. */
export function writeDueMarker(
  log: MarkedLog,
  { text, place, drop }: PendingMarker,
): "begun" | "written" {
  const { file, positions, index } = log;
  if (place === null) {
    const line = drop === undefined ? text : droppedText(positions, drop);
    if (line === undefined) positions.withdrawMarker();
    else insert(log, line);
    return "begun";
  }
  const { sizeBytes } = file.finishedLive();
  const position = place.offset - positions.record.base;
  const missingBytes = position + place.bytes - sizeBytes;
  if (missingBytes > 0) {
    if (position < 0 || sizeBytes < position) {
      // Others have taken the file or cut it before the marker's place.
      positions.notMarked(positions.endAt(sizeBytes));
      return "begun";
    }
    if (position + place.bytes > file.bound.limitBytes) {
      // The limit was lowered before the marker was written: it needs another place.
      file.cutBack(position);
      positions.placeMarker(text, null);
      return "begun";
    }
    const whole = place.bytes === Buffer.byteLength(text) + 1;
    file.writeAt(position, lineOf(text, whole ? "whole" : "cut"));
  }
  index.mark("marker", place.offset, place.bytes);
  positions.marked(place.bytes);
  return "written";
}

/** `undefined` when nothing was dropped. */
function droppedText(positions: Positions, drop: DropSpan): string | undefined {
  const bytes = positions.dropped(drop.reason) - drop.totalBefore;
  if (bytes === 0) return undefined;
  return droppedMarker(bytes, wordsForCause(drop.reason), drop.sinceMs, Date.now());
}

function insert({ file, positions }: MarkedLog, text: string): void {
  file.insert(markerBytesMax, (live, lineIs) => {
    const bytes = lineOf(text, lineIs);
    const offset = positions.endAt(live.sizeBytes);
    positions.placeMarker(text, { offset, bytes: bytes.length });
    return bytes;
  });
}

/** A marker has lines of its own: after a part of a line it begins with a newline. */
function lineOf(text: string, lineIs: "whole" | "cut"): Buffer {
  return Buffer.from(lineIs === "cut" ? `\n${text}\n` : `${text}\n`);
}
