// SPDX-License-Identifier: Apache-2.0
// Somebody else's hands on the files of a log. The witness is told what they took; what they cost
// in offsets shows when a pump has noticed.

import assert from "node:assert/strict";
import {
  appendFileSync,
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
  "extend",
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
  /** What others wrote is in another file, or behind the log's end. */
  readonly foreignIs: "none" | "instead" | "behind";
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
  meddle(what: Meddling, end: number, { copies, limitBytes }: LogBound): boolean {
    const live = this.#path(this.#name);
    if (!existsSync(live)) return false;
    const { size } = statSync(live);
    if (what === "extend" && size + foreignText.length > limitBytes) return false;
    this.#deeds += 1;
    const start = end - size;
    const away = join(this.#directory, `away-${this.#deeds}`);
    switch (copies === 0 && what === "toCopy" ? "away" : what) {
      case "empty":
        truncateSync(live, 0);
        this.#took(start, () => size);
        break;
      case "shorten": {
        const left = size >> 1;
        truncateSync(live, left);
        this.#took(start + left, () => size - left);
        break;
      }
      case "extend":
        this.#took(end, () => 0);
        this.#putForeign("behind");
        appendFileSync(live, foreignText);
        break;
      case "toCopy": {
        const copy = this.#path(`${this.#name}.1`);
        if (existsSync(copy)) {
          const bytes = statSync(copy).size;
          this.#took(this.#witness.find(readFileSync(copy), start - bytes), () => bytes);
        } else {
          this.#took(start, () => 0);
        }
        renameSync(live, copy);
        break;
      }
      case "unlink":
        this.#took(start, this.#sizeOf(live));
        unlinkSync(live);
        break;
      case "away":
        this.#took(start, this.#sizeOf(live));
        renameSync(live, away);
        break;
      case "replace":
        this.#took(start, this.#sizeOf(live));
        this.#putForeign("instead");
        writeFileSync(away, foreignText);
        renameSync(away, live);
        break;
      case "directory": {
        const liveBytes = this.#sizeOf(live);
        this.#took(0, () => start + liveBytes());
        renameSync(join(this.#directory, "log"), away);
        mkdirSync(join(this.#directory, "log"));
      }
    }
    return true;
  }

  /** What somebody else has put into the log. */
  foreign(bytes: number): Buffer {
    assert.equal(bytes, foreignText.length, "what another hand has written");
    if (this.#deed !== undefined) this.#deed = { ...this.#deed, foreignIs: "none" };
    return foreignText;
  }

  /** A pump has finished and has counted nothing as others' bytes. */
  notCounted(): "unnoticed" | "settled" {
    const deed = this.#deed;
    if (deed?.foreignIs !== "behind") return "settled";
    if (!deed.isOld) return "unnoticed";
    // It was there before the present epoch, whose index knows no other.
    this.settle(foreignText.length, "untold", "former epoch");
    return "settled";
  }

  /** A pump has finished, and by its record the epoch has so many more offsets than were sent. */
  settle(
    more: number,
    foreignIs: "told" | "untold",
    of: "present epoch" | "former epoch" = "present epoch",
  ): void {
    const deed = this.#deed;
    const witness = this.#witness;
    if (deed === undefined) {
      assert.equal(more, 0, "the record's end is the log's");
      return;
    }
    assert.ok(more >= 0, `${-more} offsets are used again`);
    if (more > 0) {
      // Who was killed when it had noticed has not told whose bytes they are.
      const isForeign = deed.foreignIs !== "none" && foreignIs === "untold";
      const foreign = isForeign ? foreignText : Buffer.alloc(0);
      const at = deed.hole.start + deed.hole.bytes();
      if (of === "former epoch") witness.insertBefore(at, foreign);
      else witness.insert(at, foreign, "foreign");
      // Nobody saw how long the file was: its offsets are not used again.
      const unused = more - foreign.length;
      assert.ok(unused >= 0, `${unused} offsets are not used`);
      witness.insertUnused(at, unused);
      if (unused > 0) witness.take(at, () => unused);
    }
    if (more !== 0 || deed.isOld) this.#deed = undefined;
  }

  close(): void {
    for (const fd of this.#fds) closeSync(fd);
  }

  #took(start: number, bytes: () => number): void {
    const hole = this.#witness.take(start, bytes);
    this.#deed = { hole, foreignIs: "none", isOld: false };
  }

  #putForeign(foreignIs: "instead" | "behind"): void {
    if (this.#deed !== undefined) this.#deed = { ...this.#deed, foreignIs };
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
