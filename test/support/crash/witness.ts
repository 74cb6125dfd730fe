// SPDX-License-Identifier: Apache-2.0
// What a log has to hold: every byte that was sent, in order, with the lines of ours in their places,
// without what was dropped or lost. Indices are log offsets: they stay when files are rotated away.

import assert from "node:assert/strict";
import { streamPiece } from "./stream.ts";

/** A file of the log as it was found. */
interface FoundFile {
  readonly path: string;
  readonly bytes: Buffer;
}

/** A piece of the log that is on disk. */
export interface Piece {
  readonly start: number;
  readonly bytes: number;
}

/** What somebody else took; a file that was taken may go on growing. */
export interface Hole {
  start: number;
  readonly bytes: () => number;
}

/** A line of ours that is to come: the text, or what a stage that was lost had in it. */
export interface Due {
  at: number;
  readonly line: string | { readonly lostBytes: number };
}

interface WitnessedEpoch {
  readonly epoch: string;
  start: number;
  readonly inserted: { marker: number; foreign: number };
  unusedBytes: number;
}

export class Witness {
  #bytes: Buffer = Buffer.alloc(0);
  #sentBytes = 0;
  #removedBytes = 0;
  readonly #epochs: WitnessedEpoch[] = [];
  readonly #due: Due[] = [];
  readonly #holes: Hole[] = [];
  /** What is before may have been shortened to a lower limit. */
  #trimmedBefore = 0;

  get end(): number {
    return this.#bytes.length;
  }

  get epochs(): readonly { readonly epoch: string; readonly start: number }[] {
    return this.#epochs;
  }

  get due(): readonly Due[] {
    return this.#due;
  }

  get hasHoles(): boolean {
    return this.#holes.some((hole) => hole.bytes() > 0);
  }

  /** Of the present epoch. */
  get epoch(): WitnessedEpoch {
    const epoch = this.#epochs.at(-1);
    assert.ok(epoch !== undefined);
    return epoch;
  }

  /** In all epochs. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Of those, what came to no log. */
  get removedBytes(): number {
    return this.#removedBytes;
  }

  /** The stream's next bytes. */
  send(bytes: number, lineCells: number): Buffer {
    const piece = streamPiece(this.#sentBytes, bytes, lineCells);
    this.#sentBytes += bytes;
    this.#bytes = Buffer.concat([this.#bytes, piece]);
    return piece;
  }

  beginEpoch(epoch: string, start: number): void {
    const inserted = { marker: 0, foreign: 0 };
    this.#epochs.push({ epoch, start, inserted, unusedBytes: 0 });
  }

  mayTrim(): void {
    this.#trimmedBefore = this.end;
  }

  /** A line of ours is to stand there. */
  expect(line: Due["line"], at: number): void {
    this.#due.push({ at, line });
  }

  /** A line of ours stands there now, or will never do. */
  settle(due: Due): void {
    this.#due.splice(this.#due.indexOf(due), 1);
  }

  /** What no writer sent has come there. */
  insert(at: number, bytes: Buffer, kind: "marker" | "foreign"): void {
    if (at >= this.epoch.start) this.epoch.inserted[kind] += bytes.length;
    this.#insert(at, bytes);
  }

  /** What no writer sent has come there before the present epoch began. */
  insertBefore(at: number, bytes: Buffer): void {
    const { epoch } = this;
    const isAtBegin = epoch.start === at;
    this.#insert(at, bytes);
    if (isAtBegin) epoch.start += bytes.length;
  }

  /** Offsets that were never in use. */
  insertUnused(at: number, bytes: number): void {
    if (at >= this.epoch.start) this.epoch.unusedBytes += bytes;
    this.#insert(at, Buffer.alloc(bytes, 0xff));
  }

  /** These bytes came to no log, and have no offset. */
  remove(at: number, bytes: number): void {
    this.#removedBytes += bytes;
    this.#bytes = Buffer.concat([this.#bytes.subarray(0, at), this.#bytes.subarray(at + bytes)]);
    this.#shift(at, -bytes);
  }

  /** Somebody else has taken what is there; its offsets stay its own. */
  take(start: number, bytes: () => number): Hole {
    const hole = { start, bytes };
    this.#holes.push(hole);
    return hole;
  }

  at(start: number, bytes: number): Buffer {
    return this.#bytes.subarray(start, start + bytes);
  }

  /** Where these bytes were last, at `before` at the latest. */
  find(bytes: Buffer, before: number): number {
    const found = this.#bytes.lastIndexOf(bytes, before);
    return found < 0 ? before : found;
  }

  /** Each file is a piece of the log, in order, newest first, without a gap, up to the last byte. */
  check(files: readonly FoundFile[]): readonly Piece[] {
    let end = this.end;
    const pieces: Piece[] = [];
    for (const { path, bytes } of files) {
      let start = end - bytes.length;
      while (start >= 0 && !this.#isPiece(start, bytes, end)) {
        start = start === 0 ? -1 : this.#bytes.lastIndexOf(bytes, start - 1);
      }
      if (start < 0) this.#describe(path, end - bytes.length, bytes);
      pieces.push({ start, bytes: bytes.length });
      end = start;
    }
    return pieces;
  }

  #isPiece(start: number, bytes: Buffer, end: number): boolean {
    const pieceEnd = start + bytes.length;
    if (!bytes.equals(this.#bytes.subarray(start, pieceEnd))) return false;
    const holes = this.#holes
      .map((hole) => ({ start: hole.start, end: hole.start + hole.bytes() }))
      .filter((hole) => hole.end > hole.start);
    if (holes.some((hole) => hole.start < pieceEnd && start < hole.end)) return false;
    let at = pieceEnd;
    for (let before = -1; at !== before; ) {
      before = at;
      if (at < this.#trimmedBefore) at = Math.min(end, this.#trimmedBefore);
      for (const hole of holes) if (hole.start <= at && at < hole.end) at = hole.end;
    }
    return at >= end;
  }

  #insert(at: number, bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes.subarray(0, at), bytes, this.#bytes.subarray(at)]);
    this.#shift(at, bytes.length);
  }

  #shift(at: number, bytes: number): void {
    const shifted = (place: number): number => (place > at ? Math.max(at, place + bytes) : place);
    for (const epoch of this.#epochs) epoch.start = shifted(epoch.start);
    for (const due of this.#due) if (due.at >= at) due.at = Math.max(at, due.at + bytes);
    for (const hole of this.#holes) hole.start = shifted(hole.start);
    this.#trimmedBefore = shifted(this.#trimmedBefore);
  }

  #describe(path: string, start: number, found: Buffer): never {
    const expected = this.#bytes.subarray(Math.max(start, 0), start + found.length);
    let at = 0;
    while (at < found.length && found[at] === expected[at]) at += 1;
    const show = (bytes: Buffer): string =>
      JSON.stringify(bytes.toString("latin1", Math.max(0, at - 16), at + 32));
    assert.fail(
      `${path}, byte ${at}, offset ${start + at}: expected ${show(expected)}, found ${show(found)}`,
    );
  }
}
