// SPDX-License-Identifier: Apache-2.0
// Keeps the position record of a stream: one small file on tmpfs, written before and after each change
// of the log's files. Between two changes the live file's size is the stream's end. Behind the record
// is what writers sent, so that bytes of others, and files that others cut, are found at a restart.

import { closeSync, existsSync } from "node:fs";
import type { FileOnDisk } from "../logfile/index.ts";
import { openStateFile } from "../program/index.ts";
import { readRecord, readWritten, writeRecord, writeWritten } from "./position-page.ts";
import {
  type Bound,
  type DropSpan,
  type ForeignBytes,
  type FoundFiles,
  higherBound,
  type InsertedBytes,
  type PendingMarker,
  type PositionRecord,
  resolvePosition,
  withLive,
} from "./position-record.ts";

/** Per stream; an inode that is forgotten could be counted twice only after so many more losses. */
const lostStagesMax = 16;
/** Markers that are due at once; the counters are complete without the others. */
const markersMax = 4;

export interface StreamPosition {
  /** Offset behind the newest byte. */
  readonly end: number;
  /** Offset of the oldest byte on disk. */
  readonly oldest: number;
  readonly rotations: number;
  readonly writtenBytes: number;
  readonly inserted: InsertedBytes;
  readonly dropped: Readonly<Record<string, number>>;
}

/** The record of one stream, kept on tmpfs. */
export class Positions {
  readonly #fd: number;
  #record: PositionRecord;
  #writtenBytes: number;
  /** What others wrote while no pump ran. */
  readonly foreign: readonly ForeignBytes[];

  private constructor(
    fd: number,
    record: PositionRecord,
    writtenBytes: number,
    foreign: readonly ForeignBytes[],
  ) {
    this.#fd = fd;
    this.#record = record;
    this.#writtenBytes = writtenBytes;
    this.foreign = foreign;
  }

  /** `writtenMax`: a stage that is lost leaves open how much of it came to the log. */
  static open(path: string, found: FoundFiles, writtenMax = 0): Positions {
    const fd = openStateFile(path, "existingOrNew");
    try {
      const least = readWritten(fd);
      const written = { least, most: Math.max(least, writtenMax) };
      const { record, writtenBytes, foreign } = resolvePosition(readRecord(fd), written, found);
      const positions = new Positions(fd, record, writtenBytes, foreign);
      positions.#write();
      if (writtenBytes !== least) writeWritten(fd, writtenBytes);
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
    if (record?.superseded === true) return new Positions(fd, record, readWritten(fd), []);
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

  /** Bytes that writers sent and that came to the log. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** Of the bytes that are in the live file and in no stage any more. */
  wrote(bytes: number): void {
    this.#writtenBytes += bytes;
    writeWritten(this.#fd, this.#writtenBytes);
  }

  /** Where the stream stands, given the bytes in its live file and in its copies. */
  of(liveBytes: number, copiesBytes: number): StreamPosition {
    const { base, rotations, dropped, inserted } = this.#record;
    const end = Math.max(0, this.endAt(liveBytes));
    const oldest = Math.min(end, Math.max(0, base - copiesBytes));
    return { end, oldest, rotations, writtenBytes: this.#writtenBytes, inserted, dropped };
  }

  /** Offset at which the stream ends, with that many bytes in its live file. */
  endAt(liveBytes: number): number {
    // Between two steps of a change there is no live file, but its end is known.
    return this.#record.end ?? this.#record.base + liveBytes;
  }

  /** Another bound is to hold: noted before the files may grow to it. */
  mayGrow(bound: Bound): void {
    const { limitBytes, boundBytes } = higherBound(this.#record, bound);
    this.#setBound({ limitBytes, boundBytes });
  }

  /** The files are within that bound now. */
  within({ limitBytes, boundBytes }: Bound): void {
    this.#setBound({ limitBytes, boundBytes });
  }

  /** The files are about to change; the live file will end at `end`, behind what others put there. */
  changing(end: number, foreignBytes: number): void {
    const { isRotating, rotations } = this.#record;
    const inserted = this.#insertedAlso("foreign", foreignBytes);
    // A successor takes the bytes in the new file of a rotation for others': these are counted now.
    const isRotated = isRotating && foreignBytes > 0;
    const rotated = isRotated ? { isRotating: false, rotations: rotations + 1 } : {};
    this.#update({ end, inserted, ...rotated });
  }

  /** The live file, which ends at `end`, is about to be rotated. */
  rotating(end: number): void {
    this.#update({ end, isRotating: true });
  }

  changed(live: FileOnDisk): void {
    const record = withLive(this.#record, live);
    if (record === this.#record) return;
    this.#record = record;
    this.#write();
  }

  /** Others wrote so many bytes into the live file. */
  extended(bytes: number): void {
    this.#update({ inserted: this.#insertedAlso("foreign", bytes) });
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
    this.#update({ markers: withMarker(this.#record.markers, { text, place: null }) });
  }

  /** Bytes are about to be dropped for a reason: noted before the first of them is. */
  dropping(reason: string, nowMs: number): void {
    if (this.openDrop?.reason === reason) return;
    const drop = { reason, sinceMs: nowMs, totalBefore: this.dropped(reason) };
    this.#update({ markers: withMarker(this.#record.markers, { text: "", place: null, drop }) });
  }

  /** The bytes that are being dropped, if any are; their marker is due. */
  get openDrop(): DropSpan | undefined {
    return this.#record.markers.at(-1)?.drop;
  }

  /** Chooses where the first marker stands: noted, with its text, before it is written. */
  placeMarker(text: string, place: PendingMarker["place"]): void {
    const [, ...others] = this.#record.markers;
    this.#update({ markers: [{ text, place }, ...others] });
  }

  /** The first marker is not needed. */
  withdrawMarker(): void {
    const [, ...markers] = this.#record.markers;
    this.#update({ markers });
  }

  /** The first marker is in the log. */
  marked(bytes: number): void {
    const [, ...markers] = this.#record.markers;
    this.#update({ markers, inserted: this.#insertedAlso("marker", bytes) });
  }

  /** The file of the first marker is gone; what it had of it are offsets that no byte has. */
  notMarked(end: number): void {
    const [, ...markers] = this.#record.markers;
    const { marker, foreign } = this.#record.inserted;
    this.#update({ markers, unused: end - this.#writtenBytes - marker - foreign });
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
      markers: withMarker(markers, { text, place: null }),
      lostStages: [...lostStages, stageInode].slice(-lostStagesMax),
    });
    return "counted";
  }

  close(): void {
    closeSync(this.#fd);
  }

  #setBound(bound: Bound): void {
    const { limitBytes, boundBytes } = this.#record;
    if (bound.limitBytes !== limitBytes || bound.boundBytes !== boundBytes) this.#update(bound);
  }

  #insertedAlso(kind: keyof InsertedBytes, bytes: number): InsertedBytes {
    const { inserted } = this.#record;
    return { ...inserted, [kind]: inserted[kind] + bytes };
  }

  #update(change: Partial<PositionRecord>): void {
    this.#record = { ...this.#record, ...change };
    this.#write();
  }

  #write(): void {
    writeRecord(this.#fd, this.#record);
  }
}

function withMarker(
  markers: readonly PendingMarker[],
  marker: PendingMarker,
): readonly PendingMarker[] {
  return markers.length < markersMax ? [...markers, marker] : markers;
}
