// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type ForeignBytes,
  type PositionRecord,
  resolvePosition,
} from "../../../src/pump/position-record.ts";

/** Its end is 1400 while writers have sent 1400. */
const steady: PositionRecord = {
  version: 3,
  base: 1000,
  inode: 7,
  bornMs: 70,
  limitBytes: 4096,
  boundBytes: 8192,
  end: null,
  isRotating: false,
  rotations: 2,
  inserted: { marker: 0, foreign: 0 },
  unused: 0,
  dropped: {},
  markers: [],
  superseded: false,
  lostStages: [],
};
const rotating: PositionRecord = { ...steady, end: 1400, isRotating: true };
const changing: PositionRecord = { ...steady, end: 1400 };
const fresh: PositionRecord = { ...steady, base: 0, rotations: 0 };
const marking: PositionRecord = {
  ...steady,
  markers: [{ text: "[ours]", place: { offset: 1400, bytes: 7 } }],
};

function foreignly(bytes: number): Pick<PositionRecord, "inserted"> {
  return { inserted: { marker: 0, foreign: bytes } };
}

function file(inode: number, sizeBytes: number): Exclude<Case["live"], undefined> {
  return { inode, bornMs: inode * 10, sizeBytes };
}

interface Case {
  readonly name: string;
  readonly last?: PositionRecord;
  readonly live?: { readonly inode: number; readonly bornMs: number; readonly sizeBytes: number };
  /** Size of the copy that was the live file. */
  readonly copy?: number;
  /** What writers sent to the log is at least `least`, default 1400, and at most `most`. */
  readonly least?: number;
  readonly most?: number;
  readonly expected: PositionRecord;
  /** Default: `least`. */
  readonly written?: number;
  readonly foreign?: readonly ForeignBytes[];
}

const cases: readonly Case[] = [
  { name: "is 0 for a new log", least: 0, live: file(7, 0), expected: fresh },
  {
    name: "is 0 where no file is yet",
    least: 0,
    expected: { ...fresh, inode: 0, bornMs: 0, end: 0 },
  },
  {
    name: "is before the stream's first byte in a log that was there already",
    least: 0,
    live: file(7, 300),
    expected: { ...fresh, base: -300 },
  },
  { name: "stays while nothing changes", last: steady, live: file(7, 400), expected: steady },
  {
    name: "stays when a rotation was not begun",
    last: rotating,
    live: file(7, 400),
    expected: steady,
  },
  {
    name: "stays with what others wrote while no pump ran",
    last: steady,
    live: file(7, 430),
    expected: { ...steady, ...foreignly(30) },
    foreign: [{ offset: 1400, bytes: 30 }],
  },
  {
    name: "stays when the file was cut short, and its end is known still",
    last: steady,
    live: file(7, 200),
    expected: changing,
  },
  {
    name: "stays when the file was cut short before it was rotated",
    last: rotating,
    live: file(7, 200),
    expected: changing,
  },
  {
    name: "stays when the file was emptied, until it has bytes again",
    last: steady,
    live: file(7, 0),
    expected: changing,
  },
  {
    name: "moves on when the live file is a new one",
    last: rotating,
    live: file(8, 0),
    expected: { ...steady, base: 1400, inode: 8, bornMs: 80, rotations: 3 },
  },
  {
    name: "moves on when the new one got the inode of the one that was removed",
    last: rotating,
    live: { ...file(7, 0), bornMs: 71 },
    expected: { ...steady, base: 1400, bornMs: 71, rotations: 3 },
  },
  {
    name: "moves on without a rotation when the file was emptied",
    last: changing,
    live: file(7, 0),
    expected: { ...steady, base: 1400 },
  },
  {
    name: "is not known before there is a live file, but its end is",
    last: rotating,
    expected: rotating,
  },
  {
    name: "moves to what was kept of a file that was shortened",
    last: changing,
    live: file(8, 200),
    expected: { ...steady, base: 1200, inode: 8, bornMs: 80 },
  },
  {
    name: "moves behind a file that somebody made a copy meanwhile",
    last: steady,
    live: file(8, 0),
    copy: 400,
    expected: { ...steady, base: 1400, inode: 8, bornMs: 80 },
  },
  {
    name: "counts what somebody wrote into both as inserted",
    last: steady,
    live: file(8, 30),
    copy: 450,
    expected: { ...steady, base: 1450, inode: 8, bornMs: 80, ...foreignly(80) },
    foreign: [
      { offset: 1400, bytes: 50 },
      { offset: 1450, bytes: 30 },
    ],
  },
  {
    name: "moves behind what was cut off a file that somebody made a copy",
    last: steady,
    live: file(8, 0),
    copy: 100,
    expected: { ...steady, base: 1400, inode: 8, bornMs: 80 },
  },
  {
    name: "leaves out all offsets that a file that is gone may have had",
    last: steady,
    live: file(8, 0),
    expected: { ...steady, base: 1000 + 4096, inode: 8, bornMs: 80, unused: 3696 },
  },
  {
    name: "does so when another file has its inode",
    last: steady,
    live: { ...file(7, 30), bornMs: 71 },
    expected: { ...steady, base: 1000 + 4096, bornMs: 71, unused: 3696, ...foreignly(30) },
    foreign: [{ offset: 5096, bytes: 30 }],
  },
  {
    name: "as many as its own limit allowed, which may have been a higher one",
    last: { ...steady, limitBytes: 8192 },
    live: file(8, 0),
    expected: {
      ...steady,
      ...{ base: 1000 + 8192, inode: 8, bornMs: 80, unused: 7792, limitBytes: 8192 },
    },
  },
  {
    name: "keeps a higher bound until the files are within the lower one",
    last: { ...steady, limitBytes: 8192, boundBytes: 9000 },
    live: file(7, 400),
    expected: { ...steady, limitBytes: 8192, boundBytes: 9000 },
  },
  {
    name: "and so when no file is there",
    last: steady,
    expected: { ...steady, end: 5096, unused: 3696 },
  },
  {
    name: "leaves out no more than that when it was above its limit",
    last: { ...steady, limitBytes: 300 },
    expected: { ...steady, end: 1400 },
  },
  {
    name: "stays with what was written of a stage that is lost",
    last: steady,
    live: file(7, 420),
    most: 1450,
    expected: steady,
    written: 1420,
  },
  {
    name: "counts no more for that than the stage held",
    last: steady,
    live: file(7, 480),
    most: 1450,
    expected: { ...steady, ...foreignly(30) },
    written: 1450,
    foreign: [{ offset: 1450, bytes: 30 }],
  },
  {
    name: "moves behind what a stage that is lost may have put into a file that was cut",
    last: steady,
    live: file(7, 100),
    most: 1450,
    expected: { ...changing, end: 1450, unused: 50 },
  },
  {
    name: "stays with a marker that was being written",
    last: marking,
    live: file(7, 403),
    expected: marking,
  },
  {
    name: "counts what comes after the marker as inserted",
    last: marking,
    live: file(7, 410),
    expected: { ...marking, ...foreignly(3) },
    foreign: [{ offset: 1407, bytes: 3 }],
  },
  {
    name: "moves behind a marker whose file was cut",
    last: marking,
    live: file(7, 100),
    expected: { ...marking, end: 1407, unused: 7 },
  },
];

describe("the offset at which the live file begins", () => {
  for (const { name, last, live, copy, least = 1400, most = least, ...expected } of cases) {
    it(name, () => {
      const bound = { limitBytes: 4096, boundBytes: 8192 };
      const found = { live, bound, copySize: () => copy };
      assert.deepEqual(resolvePosition(last, { least, most }, found), {
        record: expected.expected,
        writtenBytes: expected.written ?? least,
        foreign: expected.foreign ?? [],
      });
    });
  }
});
