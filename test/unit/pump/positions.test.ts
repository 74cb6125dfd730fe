// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type PositionRecord, resolvePosition } from "../../../src/pump/position-record.ts";

const steady: PositionRecord = {
  version: 2,
  base: 1000,
  inode: 7,
  limitBytes: 4096,
  end: null,
  rotations: 2,
  inserted: 0,
  dropped: {},
  markers: [],
  superseded: false,
  lostStages: [],
};
const changing: PositionRecord = { ...steady, end: 1500 };
const fresh: PositionRecord = { ...steady, base: 0, rotations: 0 };

interface Case {
  readonly name: string;
  readonly last?: PositionRecord;
  readonly live?: { readonly inode: number; readonly sizeBytes: number };
  /** Size of the copy that was the live file with inode 7. */
  readonly copy?: number;
  readonly expected: PositionRecord;
}

const cases: readonly Case[] = [
  { name: "is 0 for a new log", live: { inode: 7, sizeBytes: 0 }, expected: fresh },
  { name: "is 0 where no file is yet", expected: { ...fresh, inode: 0, end: 0 } },
  {
    name: "is before the stream's first byte in a log that was there already",
    live: { inode: 7, sizeBytes: 300 },
    expected: { ...fresh, base: -300 },
  },
  {
    name: "stays while nothing changes",
    last: steady,
    live: { inode: 7, sizeBytes: 400 },
    expected: steady,
  },
  {
    name: "stays when a rotation was not begun",
    last: changing,
    live: { inode: 7, sizeBytes: 500 },
    expected: steady,
  },
  {
    name: "stays when the file was cut short before it was rotated",
    last: changing,
    live: { inode: 7, sizeBytes: 200 },
    expected: steady,
  },
  {
    name: "moves on when the live file is a new one",
    last: changing,
    live: { inode: 8, sizeBytes: 0 },
    expected: { ...steady, base: 1500, inode: 8, rotations: 3 },
  },
  {
    name: "moves on when the new one got the inode of the one that was removed",
    last: changing,
    live: { inode: 7, sizeBytes: 0 },
    expected: { ...steady, base: 1500, rotations: 3 },
  },
  {
    name: "is not known before there is a live file, but its end is",
    last: changing,
    expected: changing,
  },
  {
    name: "moves to what was kept of a file that was shortened",
    last: changing,
    live: { inode: 8, sizeBytes: 200 },
    expected: { ...steady, base: 1300, inode: 8 },
  },
  {
    name: "moves behind a file that somebody made a copy meanwhile",
    last: steady,
    live: { inode: 8, sizeBytes: 0 },
    copy: 450,
    expected: { ...steady, base: 1450, inode: 8, rotations: 3 },
  },
  {
    name: "counts what somebody wrote into another file as inserted",
    last: steady,
    live: { inode: 8, sizeBytes: 30 },
    copy: 450,
    expected: { ...steady, base: 1450, inode: 8, inserted: 30 },
  },
  {
    name: "leaves out all offsets that a file that is gone may have had",
    last: steady,
    live: { inode: 8, sizeBytes: 0 },
    expected: { ...steady, base: 1000 + 4096, inode: 8, rotations: 3 },
  },
  {
    name: "as many as its own limit allowed, which may have been a higher one",
    last: { ...steady, limitBytes: 8192 },
    live: { inode: 8, sizeBytes: 0 },
    expected: { ...steady, base: 1000 + 8192, inode: 8, rotations: 3 },
  },
  { name: "and so when no file is there", last: steady, expected: { ...steady, end: 5096 } },
];

describe("the offset at which the live file begins", () => {
  for (const { name, last, live, copy, expected } of cases) {
    it(name, () => {
      const found = { live, limitBytes: 4096, copySize: () => copy };
      assert.deepEqual(resolvePosition(last, found), expected);
    });
  }
});
