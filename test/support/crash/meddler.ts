// SPDX-License-Identifier: Apache-2.0
// Somebody else's hands on the files of a log. The witness is told what they took; what they cost
// in offsets shows when a pump has noticed.

import assert from "node:assert/strict";
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { LogBound } from "./chain-watch.ts";
import type { Hole, Witness } from "./witness.ts";

export const meddlings = [
  "empty",
  "shorten",
  "unlink",
  "toCopy",
  "away",
  "replace",
  "directory",
] as const;
export type Meddling = (typeof meddlings)[number];

const foreignText = Buffer.from("[by another hand]\n");

/** What was done last, until a pump that began after it has finished. */
interface Deed {
  readonly hole: Hole;
  /** Offsets in use again after it if nobody looked: a file's size is its position. */
  readonly cutBytes: number;
  readonly isForeign: boolean;
  isOld: boolean;
}

export class Meddler {
  readonly #directory: string;
  readonly #name: string;
  readonly #witness: Witness;
  /** Of files that were taken: they may go on growing. */
  readonly #fds: number[] = [];
  #deed: Deed | undefined;
  #deeds = 0;

  constructor(directory: string, name: string, witness: Witness) {
    this.#directory = directory;
    this.#name = name;
    this.#witness = witness;
  }

  get isDisturbed(): boolean {
    return this.#deed !== undefined;
  }

  /** A pump begins: what was done before is noticed when it has finished. */
  begin(): void {
    if (this.#deed !== undefined) this.#deed.isOld = true;
  }

  /** `end` is where the log ends in the witness. False if there is no live file to lay hands on. */
  meddle(what: Meddling, end: number, { copies }: LogBound): boolean {
    const live = this.#path(this.#name);
    if (!existsSync(live)) return false;
    this.#deeds += 1;
    const { size } = statSync(live);
    const start = end - size;
    const away = join(this.#directory, `away-${this.#deeds}`);
    switch (copies === 0 && what === "toCopy" ? "away" : what) {
      case "empty":
        truncateSync(live, 0);
        this.#took(start, () => size, size);
        break;
      case "shorten": {
        const left = size >> 1;
        truncateSync(live, left);
        this.#took(start + left, () => size - left, size - left);
        break;
      }
      case "toCopy": {
        const copy = this.#path(`${this.#name}.1`);
        if (existsSync(copy)) {
          const bytes = statSync(copy).size;
          this.#took(this.#witness.find(readFileSync(copy), start - bytes), () => bytes, 0);
        } else {
          this.#took(start, () => 0, 0);
        }
        renameSync(live, copy);
        break;
      }
      case "unlink":
        this.#took(start, this.#sizeOf(live), 0);
        unlinkSync(live);
        break;
      case "away":
        this.#took(start, this.#sizeOf(live), 0);
        renameSync(live, away);
        break;
      case "replace":
        this.#took(start, this.#sizeOf(live), 0);
        if (this.#deed !== undefined) this.#deed = { ...this.#deed, isForeign: true };
        writeFileSync(away, foreignText);
        renameSync(away, live);
        break;
      case "directory": {
        const liveBytes = this.#sizeOf(live);
        this.#took(0, () => start + liveBytes(), 0);
        renameSync(join(this.#directory, "log"), away);
        mkdirSync(join(this.#directory, "log"));
      }
    }
    return true;
  }

  /** What somebody else has put into the log. */
  foreign(bytes: number): Buffer {
    assert.equal(bytes, foreignText.length, "what another hand has written");
    return foreignText;
  }

  /** A pump has finished, and by its record the epoch has so many more offsets than were sent. */
  settle(more: number, foreignIs: "told" | "untold"): void {
    const deed = this.#deed;
    const witness = this.#witness;
    if (deed === undefined) {
      assert.equal(more, 0, "the record's end is the log's");
      return;
    }
    if (more < 0) {
      // Nobody looked: the epoch's offsets that were cut off are used again, an older one's are not.
      const left = deed.cutBytes + more;
      assert.ok(left >= 0, `${-more} offsets are used again of ${deed.cutBytes}`);
      const { start } = deed.hole;
      witness.give(deed.hole);
      witness.remove(start + left, -more);
      if (left > 0) witness.take(start, () => left);
    } else if (more > 0) {
      // Who was killed when it had noticed has not told whose bytes they are.
      const foreign = deed.isForeign && foreignIs === "untold" ? foreignText : Buffer.alloc(0);
      const at = deed.hole.start + deed.hole.bytes();
      witness.insert(at, foreign);
      // Nobody saw how long the file was: its offsets are not used again.
      const unused = more - foreign.length;
      assert.ok(unused >= 0, `${unused} offsets are not used`);
      witness.insertVoid(at, Buffer.alloc(unused, 0xff));
      if (unused > 0) witness.take(at, () => unused);
    }
    if (more !== 0 || deed.isOld) this.#deed = undefined;
  }

  close(): void {
    for (const fd of this.#fds) closeSync(fd);
  }

  #took(start: number, bytes: () => number, cutBytes: number): void {
    const hole = this.#witness.take(start, bytes);
    this.#deed = { hole, cutBytes, isForeign: false, isOld: false };
  }

  #sizeOf(path: string): () => number {
    const fd = openSync(path, "r");
    this.#fds.push(fd);
    return () => fstatSync(fd).size;
  }

  #path(name: string): string {
    return join(this.#directory, "log", name);
  }
}
