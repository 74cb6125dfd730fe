// SPDX-License-Identifier: Apache-2.0
// Absolute offsets of a stream across rotation and SIGKILL: which offset the live file begins at.
// One small record on tmpfs a stream, written around each rotation; in between the size of the live
// file says the rest.

import { closeSync, constants, readSync, writeSync } from "node:fs";
import * as v from "valibot";
import { openPath } from "../kernel/index.ts";
import type { LiveFile } from "../logfile/index.ts";

/** Room of a record; it is written whole, in one call. */
const recordBytes = 256;

export interface PositionRecord {
  readonly version: 1;
  /** Offset of the live file's first byte; negative where the file was older than the stream. */
  readonly base: number;
  /** Inode of the live file that `base` is about. */
  readonly inode: number;
  /** Set while a rotation is under way: the base of the file that comes next. */
  readonly next: number | null;
  readonly rotations: number;
  readonly dropped: number;
}

const recordSchema: v.GenericSchema<unknown, PositionRecord> = v.object({
  version: v.literal(1),
  base: v.number(),
  inode: v.number(),
  next: v.nullable(v.number()),
  rotations: v.number(),
  dropped: v.number(),
});

/** The record that describes `live`, given the one that was written last. */
export function resolvePosition(last: PositionRecord | undefined, live: LiveFile): PositionRecord {
  if (last === undefined) {
    const base = live.sizeBytes === 0 ? 0 : -live.sizeBytes;
    return { version: 1, base, inode: live.inode, next: null, rotations: 0, dropped: 0 };
  }
  if (last.next === null) return last;
  // The rotated file keeps its inode while it exists. Where copies is 0 the successor may have got
  // the same inode, but it was empty and its predecessor was not.
  const rotated = live.inode !== last.inode || live.sizeBytes !== last.next - last.base;
  if (!rotated) return { ...last, next: null };
  return {
    ...last,
    base: last.next,
    inode: live.inode,
    next: null,
    rotations: last.rotations + 1,
  };
}

export interface StreamPosition {
  /** Offset behind the newest byte. */
  readonly end: number;
  /** Offset of the oldest byte on disk. */
  readonly oldest: number;
  readonly rotations: number;
  readonly droppedBytes: number;
}

/** The record of one stream, kept on tmpfs. */
export class Positions {
  readonly #fd: number;
  #record: PositionRecord;

  private constructor(fd: number, record: PositionRecord) {
    this.#fd = fd;
    this.#record = record;
  }

  static open(path: string, live: LiveFile): Positions {
    const fd = openPath(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      const positions = new Positions(fd, resolvePosition(readRecord(fd), live));
      positions.#write();
      return positions;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** Where the stream stands, given the bytes in its live file and in its copies. */
  of(liveBytes: number, copiesBytes: number): StreamPosition {
    const { base, next, rotations, dropped } = this.#record;
    // Between two steps of a rotation there is no live file, but its end is known. A file that
    // somebody else has shortened may end before the stream began.
    const end = Math.max(0, next ?? base + liveBytes);
    const oldest = Math.min(end, Math.max(0, base - copiesBytes));
    return { end, oldest, rotations, droppedBytes: dropped };
  }

  rotating(live: LiveFile): void {
    this.#record = { ...this.#record, next: this.#record.base + live.sizeBytes };
    this.#write();
  }

  rotated(live: LiveFile): void {
    this.#record = resolvePosition(this.#record, live);
    this.#write();
  }

  dropped(bytes: number): void {
    this.#record = { ...this.#record, dropped: this.#record.dropped + bytes };
    this.#write();
  }

  close(): void {
    closeSync(this.#fd);
  }

  #write(): void {
    const page = Buffer.alloc(recordBytes, "\n");
    page.write(JSON.stringify(this.#record));
    writeSync(this.#fd, page, 0, recordBytes, 0);
  }
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
