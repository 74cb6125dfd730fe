// SPDX-License-Identifier: Apache-2.0
// What is known of a stream's offsets across rotation and SIGKILL, decided without I/O: which offset
// the live file begins at, and whose the bytes are. Each offset up to the end is a byte that a writer
// sent, one that was inserted, or unused: the end is the sum of the three.

import * as v from "valibot";
import type { FileOnDisk } from "../logfile/index.ts";

/** A marker that must stand in the log exactly once. */
export interface PendingMarker {
  /** Empty while bytes are being dropped: it is made when the place is chosen. */
  readonly text: string;
  readonly drop?: DropSpan | undefined;
  /** Where it stands, or will, in the stream; null until its place is chosen. */
  readonly place: { readonly offset: number; readonly bytes: number } | null;
}

/** Bytes that are dropped for a reason, since a time. */
export interface DropSpan {
  readonly reason: string;
  readonly sinceMs: number;
  /** What was dropped for the reason before. */
  readonly totalBefore: number;
}

/** Bytes in the files that no writer sent. */
export interface InsertedBytes {
  /** Lines of xenlogd. */
  readonly marker: number;
  /** What other programs wrote into the files. */
  readonly foreign: number;
}

export interface PositionRecord {
  readonly version: 3;
  /** Offset of the live file's first byte; negative where the file was older than the stream. */
  readonly base: number;
  /** Inode and birth of the live file that `base` is about: a new file may get the inode of an old one. */
  readonly inode: number;
  readonly bornMs: number;
  /** That file is never larger. */
  readonly limitBytes: number;
  /** Nor are all files together. */
  readonly boundBytes: number;
  /** Set while the files change: the offset at which the live file ends, the old or the new one. */
  readonly end: number | null;
  /** Whether that change is a rotation. */
  readonly isRotating: boolean;
  readonly rotations: number;
  readonly inserted: InsertedBytes;
  /** Offsets that no byte has: a file that is gone may have had bytes there that nobody counted. */
  readonly unused: number;
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
  version: v.literal(3),
  base: v.number(),
  inode: v.number(),
  bornMs: v.number(),
  limitBytes: v.number(),
  boundBytes: v.number(),
  end: v.nullable(v.number()),
  isRotating: v.boolean(),
  rotations: v.number(),
  inserted: v.object({ marker: v.number(), foreign: v.number() }),
  unused: v.number(),
  dropped: v.record(v.string(), v.number()),
  markers: v.array(
    v.object({
      text: v.string(),
      place: v.nullable(v.object({ offset: v.number(), bytes: v.number() })),
      drop: v.exactOptional(
        v.object({ reason: v.string(), sinceMs: v.number(), totalBefore: v.number() }),
      ),
    }),
  ),
  superseded: v.boolean(),
  lostStages: v.array(v.number()),
});

const emptyRecord: PositionRecord = {
  version: 3,
  base: 0,
  inode: 0,
  bornMs: 0,
  limitBytes: 0,
  boundBytes: 0,
  end: null,
  isRotating: false,
  rotations: 0,
  inserted: { marker: 0, foreign: 0 },
  unused: 0,
  dropped: {},
  markers: [],
  superseded: false,
  lostStages: [],
};

type Identity = Pick<FileOnDisk, "inode" | "bornMs">;

/** The live file as it is found, and what else can be found out. */
export interface FoundFiles {
  readonly live: FileOnDisk | undefined;
  /** Size of that file if it is one of the copies. */
  readonly copySize: (file: Identity) => number | undefined;
  /** The bound from now on. */
  readonly bound: Bound;
}

/** What the live file has at most, and all files together. */
export type Bound = Pick<PositionRecord, "limitBytes" | "boundBytes">;

/** What both permit: the files are not within a lower bound before they have been shortened. */
export function higherBound(one: Bound, other: Bound): Bound {
  return {
    limitBytes: Math.max(one.limitBytes, other.limitBytes),
    boundBytes: Math.max(one.boundBytes, other.boundBytes),
  };
}

/** Bytes of writers that came to the log. A stage that is lost leaves open how many of its own did. */
export interface WrittenBytes {
  readonly least: number;
  readonly most: number;
}

/** Bytes that other programs wrote, and where the stream has them. */
export interface ForeignBytes {
  readonly offset: number;
  readonly bytes: number;
}

export interface ResolvedPosition {
  readonly record: PositionRecord;
  readonly writtenBytes: number;
  /** Those that were not known before. */
  readonly foreign: readonly ForeignBytes[];
}

/** The offset at which a stream ends whose writers' bytes are so many. */
function endAfter({ inserted, unused }: PositionRecord, writtenBytes: number): number {
  return writtenBytes + inserted.marker + inserted.foreign + unused;
}

/** The record that describes the files, given the one that was written last. */
export function resolvePosition(
  last: PositionRecord | undefined,
  written: WrittenBytes,
  found: FoundFiles,
): ResolvedPosition {
  const resolved = resolveFiles(last, written, found);
  const bound = higherBound(resolved.record, found.bound);
  return { ...resolved, record: { ...resolved.record, ...bound } };
}

function resolveFiles(
  last: PositionRecord | undefined,
  written: WrittenBytes,
  { live, copySize }: FoundFiles,
): ResolvedPosition {
  if (last === undefined) return { record: begin(live), writtenBytes: 0, foreign: [] };
  if (last.end !== null && !isSame(last, live)) {
    const known = endsAt(last, last.end, written);
    if (live === undefined) return known;
    // The new file of a rotation is empty: what it has is from others.
    return last.isRotating
      ? withFileOfOthers(known, last.end, live)
      : { ...known, record: withLive(known.record, live) };
  }
  const steady = { ...last, end: null, isRotating: false };
  if (live !== undefined && isFile(last, live)) {
    const known = endsAt(steady, steady.base + live.sizeBytes, written);
    const end = endAfter(known.record, known.writtenBytes);
    const isCut = steady.base + live.sizeBytes < end;
    return isCut ? { ...known, record: { ...known.record, end } } : known;
  }
  // Others took the name from our file while no pump ran. If it is one of the copies its end is
  // known; else it ended at its limit at the latest, and an offset must never mean two bytes.
  const size = copySize(last);
  const known =
    size === undefined ? gone(steady, written) : endsAt(steady, steady.base + size, written);
  const end = endAfter(known.record, known.writtenBytes);
  if (live === undefined) return { ...known, record: { ...known.record, end } };
  return withFileOfOthers(known, end, live);
}

/** The live file is a new one behind `end`, and its bytes are from others. */
function withFileOfOthers(
  known: ResolvedPosition,
  end: number,
  live: FileOnDisk,
): ResolvedPosition {
  const { sizeBytes } = live;
  const record = withForeign({ ...known.record, end: end + sizeBytes }, sizeBytes);
  const foreign = withRange(known.foreign, { offset: end, bytes: sizeBytes });
  return { ...known, record: withLive(record, live), foreign };
}

function begin(live: FileOnDisk | undefined): PositionRecord {
  if (live === undefined) return { ...emptyRecord, end: 0 };
  const { inode, bornMs } = live;
  return { ...emptyRecord, base: 0 - live.sizeBytes, inode, bornMs };
}

/** The change of the files has not begun, and bytes in the live file keep their offsets. */
function isSame(record: PositionRecord, live: FileOnDisk | undefined): boolean {
  return live !== undefined && isFile(record, live) && live.sizeBytes > 0;
}

function isFile(one: Identity, other: Identity): boolean {
  return one.inode === other.inode && one.bornMs === other.bornMs;
}

/** Its file ends at `end`: whose the bytes are that are there besides those that are known. */
function endsAt(record: PositionRecord, end: number, written: WrittenBytes): ResolvedPosition {
  const { least, most } = written;
  const more = end - endAfter(record, least);
  if (more < 0) return unknownEnd(record, endAfter(record, most), least);
  const marker = record.markers[0]?.place ?? null;
  // Before a marker that is due nothing is written.
  if (marker === null) {
    const writtenBytes = Math.min(most, least + more);
    return withEnd(record, end, writtenBytes, least + more - writtenBytes);
  }
  return withEnd(record, end, least, Math.max(0, more - marker.bytes));
}

function withEnd(
  record: PositionRecord,
  end: number,
  writtenBytes: number,
  bytes: number,
): ResolvedPosition {
  const foreign = withRange([], { offset: end - bytes, bytes });
  return { record: withForeign(record, bytes), writtenBytes, foreign };
}

/** Its file is gone. */
function gone(record: PositionRecord, { least, most }: WrittenBytes): ResolvedPosition {
  const end = Math.max(record.base + record.limitBytes, endAfter(record, most));
  return unknownEnd(record, end, least);
}

function unknownEnd(record: PositionRecord, end: number, least: number): ResolvedPosition {
  const marker = record.markers[0]?.place ?? null;
  const last = marker === null ? end : Math.max(end, marker.offset + marker.bytes);
  const unused = record.unused + last - endAfter(record, least);
  return { record: { ...record, unused }, writtenBytes: least, foreign: [] };
}

function withForeign(record: PositionRecord, bytes: number): PositionRecord {
  const { inserted } = record;
  return { ...record, inserted: { ...inserted, foreign: inserted.foreign + bytes } };
}

function withRange(ranges: readonly ForeignBytes[], range: ForeignBytes): readonly ForeignBytes[] {
  return range.bytes > 0 ? [...ranges, range] : ranges;
}

/** The record after a change of the files: the live file ends where `record.end` says. */
export function withLive(record: PositionRecord, live: FileOnDisk): PositionRecord {
  if (record.end === null) return record;
  const steady = { ...record, end: null, isRotating: false };
  if (isSame(record, live)) return steady;
  // A new file is empty, also where it has the inode of the one that was removed for it.
  const base = record.end - live.sizeBytes;
  const rotations = record.rotations + (record.isRotating ? 1 : 0);
  const { inode, bornMs } = live;
  return { ...steady, base, inode, bornMs, rotations };
}
