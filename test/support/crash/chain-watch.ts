// SPDX-License-Identifier: Apache-2.0
// A log's files as a stranger sees them between two system calls of the pump. At any instant they
// are within the bound, only full files are rotated, and only the oldest of a whole chain goes.

import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";

export interface LogBound {
  readonly limitBytes: number;
  readonly copies: number;
}

interface ChainFile {
  readonly index: number;
  readonly inode: number;
  readonly size: number;
}

export class ChainWatch {
  readonly #directory: string;
  readonly #live: string;
  /** The bound that holds, and those that hold until a pump has done what it was told. */
  #bounds: readonly LogBound[];
  #seen: readonly ChainFile[] = [];
  /** What was sent before this offset may have been shortened to a lower limit. */
  #trimmedBefore = 0;

  constructor(directory: string, live: string, bound: LogBound) {
    this.#directory = directory;
    this.#live = live;
    this.#bounds = [bound];
  }

  /** Another bound is to hold as soon as a pump has finished. */
  expect(bound: LogBound, sentBytes: number): void {
    if (this.#bounds.some(({ limitBytes }) => bound.limitBytes < limitBytes)) {
      this.#trimmedBefore = sentBytes;
    }
    this.#bounds = [...this.#bounds, bound];
  }

  settle(bound: LogBound): void {
    this.#bounds = [bound];
    this.look();
  }

  isInChain(name: string): boolean {
    if (name === this.#live) return true;
    const index = Number(name.slice(this.#live.length + 1));
    return name === this.#name(index) && index <= this.#copiesMax();
  }

  /** The files' paths, oldest first. */
  paths(): readonly string[] {
    return this.#chain().map(({ index }) => this.#path(index));
  }

  /** Looks at the files, and compares with the last look. */
  look(): void {
    const now = this.#chain();
    const before = this.#seen;
    this.#seen = now;
    const limit = Math.max(...this.#bounds.map(({ limitBytes }) => limitBytes));
    const total = now.reduce((sum, { size }) => sum + size, 0);
    const bound = Math.max(...this.#bounds.map((one) => one.limitBytes * (one.copies + 1)));
    assert.ok(total <= bound, `${total} bytes are on disk, of at most ${bound}`);
    for (const { index, size } of now) {
      assert.ok(size <= limit, `${this.#path(index)} has ${size} bytes of at most ${limit}`);
      assert.ok(index <= this.#copiesMax(), `${this.#path(index)} is beyond the copies`);
    }
    const [steady, other] = this.#bounds;
    if (steady !== undefined && other === undefined) this.#compare(steady, before, now);
  }

  /** Each file is a piece of what was sent, in order, without a gap, up to the last byte. */
  checkContents(sent: Buffer): void {
    let end = sent.length;
    for (const path of [...this.paths()].reverse()) {
      const bytes = readFileSync(path);
      let start = end - bytes.length;
      if (start < this.#trimmedBefore && end <= this.#trimmedBefore) {
        start = sent.lastIndexOf(bytes, start);
      }
      const expected = sent.subarray(Math.max(start, 0), start + bytes.length);
      if (start < 0 || !bytes.equals(expected)) {
        assert.fail(describeDifference(path, start, expected, bytes));
      }
      end = start;
    }
  }

  #compare(bound: LogBound, before: readonly ChainFile[], now: readonly ChainFile[]): void {
    const full = bound.limitBytes - Math.min(4096, Math.floor(bound.limitBytes / 8));
    for (const file of before) {
      const then = now.find(({ inode }) => inode === file.inode);
      const path = this.#path(file.index);
      if (then === undefined) {
        assert.ok(now.length >= bound.copies, `${path} went from a chain with a hole`);
        assert.equal(file.index, bound.copies, `${path} went, and is not the oldest`);
      } else {
        assert.ok(then.size >= file.size, `${path} has become shorter`);
        assert.ok(then.index >= file.index, `${path} has become younger`);
      }
      if (file.index === 0 && then?.index !== 0) {
        assert.ok(file.size >= full, `${path} was rotated with ${file.size} bytes`);
      }
    }
  }

  /** Oldest first. */
  #chain(): readonly ChainFile[] {
    const files: ChainFile[] = [];
    // One more than there may be.
    for (let index = this.#copiesMax() + 1; index >= 0; index -= 1) {
      const stat = statSync(this.#path(index), { throwIfNoEntry: false });
      if (stat !== undefined) files.push({ index, inode: stat.ino, size: stat.size });
    }
    return files;
  }

  #copiesMax(): number {
    return Math.max(...this.#bounds.map(({ copies }) => copies));
  }

  #name(index: number): string {
    return index === 0 ? this.#live : `${this.#live}.${index}`;
  }

  #path(index: number): string {
    return `${this.#directory}/${this.#name(index)}`;
  }
}

function describeDifference(path: string, start: number, expected: Buffer, found: Buffer): string {
  let at = 0;
  while (at < found.length && found[at] === expected[at]) at += 1;
  const show = (bytes: Buffer): string =>
    JSON.stringify(bytes.toString("latin1", Math.max(0, at - 16), at + 32));
  return `${path}, byte ${at}, offset ${start + at}: expected ${show(expected)}, found ${show(found)}`;
}
