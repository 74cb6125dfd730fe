// SPDX-License-Identifier: Apache-2.0
// A log's files as a stranger sees them between two system calls of the pump. At any instant they
// are within the bound, only full files are rotated, and only the oldest of a whole chain goes.

import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";

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
  /** Somebody else has changed the files, and no pump has noticed yet. */
  #isDisturbed: boolean = false;
  /** The files are of an earlier request, and the next one's bound may be lower. */
  #isInherited: boolean = false;
  /** Room that a file may keep when it is rotated. */
  #markBytes = 0;

  constructor(directory: string, live: string, bound: LogBound) {
    this.#directory = directory;
    this.#live = live;
    this.#bounds = [bound];
  }

  /** Another bound is to hold as soon as a pump has finished. */
  expect(bound: LogBound): void {
    this.#bounds = [...this.#bounds, bound];
  }

  /** Files may be rotated for a line of ours that has no room. */
  expectMarks(): void {
    this.#markBytes = 1024;
  }

  /** Another request gets the files: what it shortens needs room, whatever it is that they have. */
  inherit(): void {
    this.#isInherited = true;
  }

  disturb(): void {
    this.#isDisturbed = true;
  }

  settle(bound: LogBound): void {
    this.#bounds = [bound];
    this.#isInherited = false;
    if (this.#isDisturbed) this.#seen = [];
    this.#isDisturbed = false;
    this.look();
  }

  /** Whether one bound holds, and no other is to. */
  get isSteady(): boolean {
    return this.#bounds.length === 1;
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
    if (this.#isDisturbed) return;
    const now = this.#chain();
    const before = this.#seen;
    this.#seen = now;
    const limit = Math.max(...this.#bounds.map(({ limitBytes }) => limitBytes));
    // Without a copy there is nothing that could go first.
    const temporaryBytes = now.length > 1 && !this.#isInherited ? this.#temporaryBytes() : 0;
    const total = now.reduce((sum, { size }) => sum + size, temporaryBytes);
    const bound = Math.max(...this.#bounds.map((one) => one.limitBytes * (one.copies + 1)));
    assert.ok(total <= bound, `${total} bytes are on disk, of at most ${bound}`);
    for (const { index, size } of now) {
      assert.ok(size <= limit, `${this.#path(index)} has ${size} bytes of at most ${limit}`);
      assert.ok(index <= this.#copiesMax(), `${this.#path(index)} is beyond the copies`);
    }
    const [steady, other] = this.#bounds;
    if (steady !== undefined && other === undefined) this.#compare(steady, before, now);
  }

  #compare(bound: LogBound, before: readonly ChainFile[], now: readonly ChainFile[]): void {
    const window = Math.min(4096, Math.floor(bound.limitBytes / 8));
    const full = bound.limitBytes - Math.max(window, this.#markBytes);
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

  /** Of what is to become a shortened file. */
  #temporaryBytes(): number {
    const sizes = readdirSync(this.#directory)
      .filter((name) => name.startsWith(`.${this.#live}`) && name.endsWith(".trim"))
      .map((name) => statSync(`${this.#directory}/${name}`).size);
    return sizes.reduce((sum, size) => sum + size, 0);
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
