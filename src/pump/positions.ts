// SPDX-License-Identifier: Apache-2.0
// Absolute offsets of a stream across rotation and SIGKILL: which offset the live file begins at, and
// what is counted besides. One small record on tmpfs a stream, written around each change of the
// files; in between the size of the live file says the rest.

import { closeSync, constants, existsSync, readSync, writeSync } from "node:fs";
import * as v from "valibot";
import { openPath } from "../kernel/index.ts";

/** Room of a record; it is written whole, in one call, within one page. */
const recordBytes = 2048;

/** A line of ours that is to stand in the log exactly once. */
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
  /** Set while the files change: the offset at which the live file ends, whichever it is. */
  readonly end: number | null;
  readonly rotations: number;
  /** Bytes in the files that no writer sent: markers, and what somebody else wrote. */
  readonly inserted: number;
  /** Bytes that were thrown away or lost, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Lines of ours that are due; only the first may have a place. */
  readonly markers: readonly PendingMarker[];
  /** Another stream has the file: what comes is dropped. */
  readonly superseded: boolean;
  /** Inodes of lost stages whose bytes are counted already. */
  readonly lostStages: readonly number[];
}

const recordSchema: v.GenericSchema<unknown, PositionRecord> = v.object({
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
  if (last.end !== null) return live === undefined ? last : settle(last, live);
  if (live?.inode === last.inode) return uncut(last, live.sizeBytes);
  // Somebody has taken the name from our file while nobody looked. Where it ended is known if it is
  // one of the copies; else it did not end behind its limit, and no offset may mean two bytes.
  const size = found.copySize(last.inode) ?? last.limitBytes;
  const end = last.base + size;
  if (live === undefined) return { ...last, end };
  const inserted = last.inserted + live.sizeBytes;
  return settle({ ...last, end: end + live.sizeBytes, inserted }, live);
}

/** Whatever was cut from a file while nobody looked, the stream does not end before its begin. */
function uncut(record: PositionRecord, sizeBytes: number): PositionRecord {
  return { ...record, base: Math.max(record.base, 0 - sizeBytes) };
}

/** The files have changed, and the live file ends where `record.end` says. */
function settle(
  record: PositionRecord,
  live: { readonly inode: number; readonly sizeBytes: number },
): PositionRecord {
  if (record.end === null) return record;
  // The file itself still: whatever was cut from it, what is left has its place.
  if (live.inode === record.inode && live.sizeBytes > 0) {
    return uncut({ ...record, end: null }, live.sizeBytes);
  }
  const base = record.end - live.sizeBytes;
  // A new file is empty, also where it has the inode of the one that was removed for it.
  const rotated = live.sizeBytes === 0 && base > record.base;
  const rotations = record.rotations + (rotated ? 1 : 0);
  return { ...record, base, inode: live.inode, end: null, rotations };
}

export interface StreamPosition {
  /** Offset behind the newest byte. */
  readonly end: number;
  /** Offset of the oldest byte on disk. */
  readonly oldest: number;
  readonly rotations: number;
  readonly writtenBytes: number;
  readonly dropped: Readonly<Record<string, number>>;
}

/** The record of one stream, kept on tmpfs. */
export class Positions {
  readonly #fd: number;
  #record: PositionRecord;
  /** Bytes of somebody else's that were found where our file had been. */
  readonly foreignBytes: number;

  private constructor(fd: number, record: PositionRecord, foreignBytes: number) {
    this.#fd = fd;
    this.#record = record;
    this.foreignBytes = foreignBytes;
  }

  static open(path: string, found: FoundFiles): Positions {
    const fd = openPath(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      const last = readRecord(fd);
      const record = resolvePosition(last, found);
      const positions = new Positions(fd, record, record.inserted - (last?.inserted ?? 0));
      positions.#write();
      return positions;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** The record of a stream that has lost its file to another one; `undefined` if it is none. */
  static openSuperseded(path: string): Positions | undefined {
    if (!existsSync(path)) return undefined;
    const fd = openPath(path, constants.O_RDWR);
    const record = readRecord(fd);
    if (record?.superseded === true) return new Positions(fd, record, 0);
    closeSync(fd);
    return undefined;
  }

  get record(): PositionRecord {
    return this.#record;
  }

  /** Where the stream stands, given the bytes in its live file and in its copies. */
  of(liveBytes: number, copiesBytes: number): StreamPosition {
    const { base, rotations, dropped, inserted } = this.#record;
    const end = Math.max(0, this.endAt(liveBytes));
    const oldest = Math.min(end, Math.max(0, base - copiesBytes));
    return { end, oldest, rotations, writtenBytes: Math.max(0, end - inserted), dropped };
  }

  /** Offset at which the stream ends, with that many bytes in its live file. */
  endAt(liveBytes: number): number {
    // Between two steps of a change there is no live file, but its end is known.
    return this.#record.end ?? this.#record.base + liveBytes;
  }

  /** Another limit holds from now on. */
  limit(limitBytes: number): void {
    this.#update({ limitBytes });
  }

  /** The files are about to change; the live file will end at `end`, behind what others put there. */
  changing(end: number, foreignBytes: number): void {
    this.#update({ end, inserted: this.#record.inserted + foreignBytes });
  }

  changed(live: { readonly inode: number; readonly sizeBytes: number }): void {
    const record = settle(this.#record, live);
    if (record === this.#record) return;
    this.#record = record;
    this.#write();
  }

  inserted(bytes: number): void {
    this.#update({ inserted: this.#record.inserted + bytes });
  }

  /** Sets what was dropped for a reason to a total, so that doing it again changes nothing. */
  droppedUpTo(reason: string, total: number): void {
    if ((this.#record.dropped[reason] ?? 0) >= total) return;
    this.#update({ dropped: { ...this.#record.dropped, [reason]: total } });
  }

  /** Another stream has the file now; this one ended at `end` in it. */
  superseded(end: number): void {
    this.#update({ superseded: true, end });
  }

  /** A line of ours is due, after those that are due already. */
  mark(text: string): void {
    this.#update({ markers: withMarker(this.#record.markers, text) });
  }

  /** Chooses where the first marker stands: noted before it is written. */
  placeMarker(place: PendingMarker["place"]): void {
    const [first, ...others] = this.#record.markers;
    if (first !== undefined) this.#update({ markers: [{ ...first, place }, ...others] });
  }

  /** The first marker is in the log; `bytes` is 0 if the file went before that. */
  marked(bytes: number): void {
    const [, ...markers] = this.#record.markers;
    this.#update({ markers, inserted: this.#record.inserted + bytes });
  }

  /** Counts what a stage held when it went, once a stage. */
  lost(stageInode: number, reason: string, bytes: number, text: string): "counted" | "known" {
    const { dropped, markers, lostStages } = this.#record;
    if (lostStages.includes(stageInode)) return "known";
    const total = (dropped[reason] ?? 0) + bytes;
    this.#update({
      dropped: total === 0 ? dropped : { ...dropped, [reason]: total },
      markers: withMarker(markers, text),
      lostStages: [...lostStages, stageInode].slice(-lostStagesMax),
    });
    return "counted";
  }

  close(): void {
    closeSync(this.#fd);
  }

  #update(change: Partial<PositionRecord>): void {
    this.#record = { ...this.#record, ...change };
    this.#write();
  }

  #write(): void {
    const page = Buffer.alloc(recordBytes, "\n");
    const text = Buffer.from(JSON.stringify(this.#record));
    if (text.length > recordBytes) throw new RangeError(`a record of ${text.length} bytes`);
    text.copy(page);
    writeSync(this.#fd, page, 0, recordBytes, 0);
  }
}

const lostStagesMax = 16;
/** What can be due at once: more of it says nothing new, the counters have it all. */
const markersMax = 4;

function withMarker(markers: readonly PendingMarker[], text: string): readonly PendingMarker[] {
  return markers.length < markersMax ? [...markers, { text, place: null }] : markers;
}

function readRecord(fd: number): PositionRecord | undefined {
  const page = Buffer.alloc(recordBytes);
  const length = readSync(fd, page, 0, recordBytes, 0);
  try {
    return v.parse(recordSchema, JSON.parse(page.toString("utf8", 0, length)));
  } catch {
    return undefined;
  }
}
