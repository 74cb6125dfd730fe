// SPDX-License-Identifier: Apache-2.0
// The content of a side file, without I/O: where the files of a log, its epochs, the ranges that did
// not come from the FIFO, and points in time lie. All in log offsets: bytes since the index began,
// across epochs and rotations, so that an offset always means one byte.

import type { CopyOnDisk, FileOnDisk } from "../files/index.ts";

/** A file of the log. Its size is the one when this was written; the live file has grown since. */
export interface IndexedFile extends FileOnDisk {
  /** Log offset of its first byte. */
  readonly base: number;
}

export interface IndexedEpoch {
  readonly epoch: string;
  /** Log offset of the epoch's offset 0. */
  readonly start: number;
}

/** Bytes that did not come from the FIFO: a marker, or what others wrote into the file. */
export type RangeKind = "marker" | "foreign";

export interface IndexedRange {
  readonly start: number;
  readonly bytes: number;
  readonly kind: RangeKind;
}

/** The log ended at `offset` at that time. */
export interface IndexedTime {
  readonly offset: number;
  readonly atMs: number;
}

export interface LogIndex {
  /** Oldest first. */
  readonly epochs: readonly IndexedEpoch[];
  /** Newest first: the live file, then the newest copies. */
  readonly files: readonly IndexedFile[];
  /** Oldest first. */
  readonly ranges: readonly IndexedRange[];
  /** Oldest first. */
  readonly times: readonly IndexedTime[];
  /** Where the files end, by number, while they are being shortened to their last lines. */
  readonly ends: readonly FileEnd[];
}

export interface FileEnd {
  /** 0 is the live file. */
  readonly copy: number;
  readonly end: number;
}

export const emptyIndex: LogIndex = { epochs: [], files: [], ranges: [], times: [], ends: [] };

// Entries above these are forgotten, the oldest first: an index has a fixed size on disk.
const epochsMax = 24;
const filesMax = 48;
/** Room for files that others have taken: they must not push the entries of copies out. */
const takenMax = 8;
const rangesMax = 64;
const timesMax = 96;

export function addEpoch(index: LogIndex, epoch: IndexedEpoch): LogIndex {
  return { ...index, epochs: [...index.epochs, epoch].slice(-epochsMax) };
}

export function addRange(index: LogIndex, range: IndexedRange): LogIndex {
  // A successor that finishes an interrupted change reports the same range again.
  if (index.ranges.at(-1)?.start === range.start) return index;
  return { ...index, ranges: [...index.ranges, range].slice(-rangesMax) };
}

/** Times become sparser with age: a full list loses every second entry of its older half. */
export function addTime(index: LogIndex, time: IndexedTime): LogIndex {
  const times = [...index.times, time];
  return { ...index, times: times.length > timesMax ? thin(times) : times };
}

export function withFiles(index: LogIndex, files: readonly IndexedFile[]): LogIndex {
  const kept = files
    .slice(0, filesMax)
    .map(({ base, ...file }) => ({ ...withoutName(file), base }));
  return { ...index, files: kept, ends: [] };
}

/** Notes where the files end, as far as that is known, for they are about to be shortened; those
 * that were shortened before an interruption are known by what was noted then. */
export function beforeTrim(
  index: LogIndex,
  live: FileOnDisk | undefined,
  copies: readonly CopyOnDisk[],
): LogIndex {
  const ends = copies.flatMap((copy) => {
    const known = findFile(index, copy);
    if (known !== undefined) return [{ copy: copy.index, end: known.base + copy.sizeBytes }];
    return notedEnds(index, copy.index);
  });
  return { ...index, ends: [...endOfLive(index, live), ...ends].slice(0, filesMax) };
}

function endOfLive(index: LogIndex, live: FileOnDisk | undefined): readonly FileEnd[] {
  if (live === undefined) return [];
  if (findFile(index, live) === undefined) return notedEnds(index, 0);
  const base = placeLive([live], index);
  return base === undefined ? [] : [{ copy: 0, end: base + live.sizeBytes }];
}

function notedEnds({ ends }: LogIndex, copy: number): readonly FileEnd[] {
  return ends.filter(({ copy: noted }) => noted === copy);
}

/** The live file has become a copy of this size, `live` has come, and `copies` are kept. */
export function rotateFiles(
  files: readonly IndexedFile[],
  live: IndexedFile,
  copies: number,
): readonly IndexedFile[] {
  return [live, ...files].slice(0, Math.min(copies + 1 + takenMax, filesMax));
}

/** A smaller index that says less about the past; for one that does not fit its room. */
export function shrink(index: LogIndex): LogIndex {
  const { epochs, files, ranges, times, ends } = index;
  return {
    ends: ends.slice(0, Math.max(8, ends.length - 4)),
    epochs: epochs.slice(epochs.length > 8 ? 1 : 0),
    files: files.slice(0, Math.max(8, files.length - 4)),
    ranges: ranges.slice(ranges.length > 8 ? 1 : 0),
    times: times.length > 16 ? thin(times) : times,
  };
}

function thin(times: readonly IndexedTime[]): readonly IndexedTime[] {
  const half = Math.floor(times.length / 2);
  return times.filter((_, position) => position >= half || position % 2 === 0);
}

export type EpochPlace =
  /** `end` is where the next epoch begins, as far as there is one. */
  | { readonly kind: "at"; readonly offset: number; readonly end: number }
  /** The epoch is not known, or no longer. */
  | { readonly kind: "unknownEpoch" }
  /** Another epoch had begun before that offset. */
  | { readonly kind: "beyondEpoch" };

/** The log offset of an epoch's offset. */
export function placeInLog(index: LogIndex, epoch: string, offset: number): EpochPlace {
  const position = index.epochs.findIndex((known) => known.epoch === epoch);
  const found = index.epochs[position];
  if (found === undefined) return { kind: "unknownEpoch" };
  const next = index.epochs[position + 1];
  const place = found.start + offset;
  if (next !== undefined && place >= next.start) return { kind: "beyondEpoch" };
  return { kind: "at", offset: place, end: next?.start ?? Number.MAX_SAFE_INTEGER };
}

/** The file with that identity, if the index knows where it begins. */
export function findFile(
  index: LogIndex,
  file: Pick<FileOnDisk, "inode" | "bornMs">,
): IndexedFile | undefined {
  return index.files.find(({ inode, bornMs }) => inode === file.inode && bornMs === file.bornMs);
}

/**
 * Log offset at which the live file, `files[0]`, begins, from the newest file that the index knows;
 * `undefined` if it knows none of them. A live file that was shortened ends where it did. One that the index
 * does not know, or that others have cut, begins behind all that was there: an offset means one byte for ever.
 */
export function placeLive(files: readonly FileOnDisk[], index: LogIndex): number | undefined {
  const [live, ...older] = files;
  const begun = live && findFile(index, live);
  if (live !== undefined && begun !== undefined) {
    const end = knownEnd(index);
    return begun.base + live.sizeBytes < end ? end : begun.base;
  }
  const [shortened] = notedEnds(index, 0);
  if (live !== undefined && shortened !== undefined) return shortened.end - live.sizeBytes;
  let between = 0;
  for (const file of older) {
    const known = findFile(index, file);
    if (known !== undefined && known.sizeBytes <= file.sizeBytes) {
      return Math.max(known.base + file.sizeBytes + between, knownEnd(index));
    }
    between += file.sizeBytes;
  }
  return undefined;
}

/** The highest offset that the index knows to have been in use. */
export function knownEnd({ files, ranges, times }: LogIndex): number {
  const ends = files.map(({ base, sizeBytes }) => base + sizeBytes);
  const marks = ranges.map(({ start, bytes }) => start + bytes);
  return Math.max(...ends, ...marks, ...times.map(({ offset }) => offset));
}

export interface PlacedFile extends IndexedFile {
  /** 0 is the live file, 1 the newest copy. */
  readonly copy: number;
}

/**
 * The files whose place is known, newest first: where the index has it, or where it ended before it
 * was shortened. What the index does not know was put there by others, unless it is too old
 * for it, or the index is new: then files lie one before the other.
 */
export function placeFiles(
  live: FileOnDisk,
  copies: readonly CopyOnDisk[],
  liveBase: number,
  index: LogIndex,
): readonly PlacedFile[] {
  const placed: PlacedFile[] = [{ ...withoutName(live), base: liveBase, copy: 0 }];
  let known = 0;
  let next = liveBase;
  for (const file of copies) {
    const { index: copy, sizeBytes } = file;
    const entry = findFile(index, file);
    const end = index.ends.find((one) => one.copy === copy)?.end;
    if (entry !== undefined) known += 1;
    const isOlder = index.files.length >= filesMax && known >= filesMax - 1;
    const guess = index.files.length === 0 || isOlder ? next - sizeBytes : undefined;
    const base = entry?.base ?? (end === undefined ? guess : end - sizeBytes);
    if (base === undefined) continue;
    placed.push({ ...withoutName(file), base, copy });
    next = base;
  }
  return placed;
}

function withoutName({ inode, bornMs, sizeBytes }: FileOnDisk): FileOnDisk {
  return { inode, bornMs, sizeBytes };
}
