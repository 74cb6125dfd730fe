// SPDX-License-Identifier: Apache-2.0
// Keeps the position record of a stream: one small file on tmpfs, written before and after each change
// of the log's files. Between two changes the live file's size is the stream's end.

import { closeSync, existsSync, readSync, writeSync } from "node:fs";
import * as v from "valibot";
import { openStateFile } from "../program/index.ts";
import {
  type FoundFiles,
  type PendingMarker,
  type PositionRecord,
  recordSchema,
  resolvePosition,
  withLive,
} from "./position-record.ts";
import type { LogTarget } from "./record.ts";

/** Room of a record; it is written whole, in one call, within one page. */
const recordBytes = 2048;
/** Per stream; an inode that is forgotten could be counted twice only after so many more losses. */
const lostStagesMax = 16;
/** Markers that are due at once; the counters are complete without the others. */
const markersMax = 4;

/** Where the record of a stream is. */
export function positionsPath(positionsDirectory: string, { epoch }: LogTarget): string {
  return `${positionsDirectory}/${epoch}`;
}

/** Whether there is a record: without it there is no such stream, or no more. */
export function isKnown(positionsDirectory: string, target: LogTarget): boolean {
  return existsSync(positionsPath(positionsDirectory, target));
}

/** Whether the stream has handed over its file. */
export function isSuperseded(positionsDirectory: string, target: LogTarget): boolean {
  const positions = Positions.openSuperseded(positionsPath(positionsDirectory, target));
  positions?.close();
  return positions !== undefined;
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
  /** Bytes that others wrote, found in a file that has taken the name of ours. */
  readonly foreignBytes: number;

  private constructor(fd: number, record: PositionRecord, foreignBytes: number) {
    this.#fd = fd;
    this.#record = record;
    this.foreignBytes = foreignBytes;
  }

  static open(path: string, found: FoundFiles): Positions {
    const fd = openStateFile(path, "existingOrNew");
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
    const fd = openStateFile(path, "existing");
    const record = readRecord(fd);
    if (record?.superseded === true) return new Positions(fd, record, 0);
    closeSync(fd);
    return undefined;
  }

  /** Bytes that were dropped for that reason. */
  dropped(reason: string): number {
    return this.#record.dropped[reason] ?? 0;
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
  reconfigure(limitBytes: number): void {
    this.#update({ limitBytes });
  }

  /** The files are about to change; the live file will end at `end`, behind what others put there. */
  changing(end: number, foreignBytes: number): void {
    this.#update({ end, inserted: this.#record.inserted + foreignBytes });
  }

  changed(live: { readonly inode: number; readonly sizeBytes: number }): void {
    const record = withLive(this.#record, live);
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

  /** A marker is due, after those that are due already. */
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
  lost(
    stageInode: number,
    reason: string,
    bytes: number,
    text: string,
  ): "counted" | "countedBefore" {
    const { dropped, markers, lostStages } = this.#record;
    if (lostStages.includes(stageInode)) return "countedBefore";
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
