// SPDX-License-Identifier: Apache-2.0
// What is known of a stream's offsets across rotation and SIGKILL, decided without I/O: which offset
// the live file begins at, and what is counted besides.

import * as v from "valibot";

/** A marker that must stand in the log exactly once. */
export interface PendingMarker {
  readonly text: string;
  /** Where it stands, or will, in the stream; null until its place is chosen. */
  readonly place: { readonly offset: number; readonly bytes: number } | null;
}

export interface PositionRecord {
  readonly version: 2;
  /** Offset of the live file's first byte; negative where the file was older than the stream. */
  readonly base: number;
  /** Inode of the live file that `base` is about. */
  readonly inode: number;
  /** That file is never larger. */
  readonly limitBytes: number;
  /** Set while the files change: the offset at which the live file ends, the old or the new one. */
  readonly end: number | null;
  readonly rotations: number;
  /** Bytes in the files that no writer sent: markers, and what others wrote. */
  readonly inserted: number;
  /** Bytes that were thrown away or lost, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Markers that are due; only the first may have a place. */
  readonly markers: readonly PendingMarker[];
  /** Another stream has the file: what comes is dropped. */
  readonly superseded: boolean;
  /** Inodes of lost stages whose bytes are counted already. */
  readonly lostStages: readonly number[];
}

export const recordSchema: v.GenericSchema<unknown, PositionRecord> = v.object({
  version: v.literal(2),
  base: v.number(),
  inode: v.number(),
  limitBytes: v.number(),
  end: v.nullable(v.number()),
  rotations: v.number(),
  inserted: v.number(),
  dropped: v.record(v.string(), v.number()),
  markers: v.array(
    v.object({
      text: v.string(),
      place: v.nullable(v.object({ offset: v.number(), bytes: v.number() })),
    }),
  ),
  superseded: v.boolean(),
  lostStages: v.array(v.number()),
});

const emptyRecord: PositionRecord = {
  version: 2,
  base: 0,
  inode: 0,
  limitBytes: 0,
  end: null,
  rotations: 0,
  inserted: 0,
  dropped: {},
  markers: [],
  superseded: false,
  lostStages: [],
};

/** The live file as it is found, and what else can be found out. */
export interface FoundFiles {
  readonly live: { readonly inode: number; readonly sizeBytes: number } | undefined;
  /** Size of the file with that inode among the copies. */
  readonly copySize: (inode: number) => number | undefined;
  /** The limit from now on. */
  readonly limitBytes: number;
}

/** The record that describes the files, given the one that was written last. */
export function resolvePosition(
  last: PositionRecord | undefined,
  found: FoundFiles,
): PositionRecord {
  const { limitBytes } = found;
  return { ...resolveFiles(last, found), limitBytes };
}

function resolveFiles(last: PositionRecord | undefined, found: FoundFiles): PositionRecord {
  const { live } = found;
  if (last === undefined) {
    if (live === undefined) return { ...emptyRecord, end: 0 };
    return { ...emptyRecord, base: 0 - live.sizeBytes, inode: live.inode };
  }
  if (last.end !== null) return live === undefined ? last : withLive(last, live);
  if (live?.inode === last.inode) return uncut(last, live.sizeBytes);
  // Others took the name from our file while no pump ran. If it is one of the copies its end is
  // known; else it ended at its limit at the latest, and an offset must never mean two bytes.
  const size = found.copySize(last.inode) ?? last.limitBytes;
  const end = last.base + size;
  if (live === undefined) return { ...last, end };
  const inserted = last.inserted + live.sizeBytes;
  return withLive({ ...last, end: end + live.sizeBytes, inserted }, live);
}

/** A file that was cut while no pump ran: the stream does not end before its begin. */
function uncut(record: PositionRecord, sizeBytes: number): PositionRecord {
  return { ...record, base: Math.max(record.base, 0 - sizeBytes) };
}

/** The record after a change of the files: the live file ends where `record.end` says. */
export function withLive(
  record: PositionRecord,
  live: { readonly inode: number; readonly sizeBytes: number },
): PositionRecord {
  if (record.end === null) return record;
  // Still the same file: bytes that are left in it keep their offsets.
  if (live.inode === record.inode && live.sizeBytes > 0) {
    return uncut({ ...record, end: null }, live.sizeBytes);
  }
  const base = record.end - live.sizeBytes;
  // A new file is empty, also where it has the inode of the one that was removed for it.
  const rotated = live.sizeBytes === 0 && base > record.base;
  const rotations = record.rotations + (rotated ? 1 : 0);
  return { ...record, base, inode: live.inode, end: null, rotations };
}
