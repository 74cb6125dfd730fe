// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type PositionRecord, resolvePosition } from "../../../src/pump/positions.ts";

const steady: PositionRecord = {
  version: 1,
  base: 1000,
  inode: 7,
  next: null,
  rotations: 2,
  dropped: 0,
};
const rotating: PositionRecord = { ...steady, next: 1500 };
const rotated: PositionRecord = { ...steady, base: 1500, inode: 8, rotations: 3 };

describe("the offset at which the live file begins", () => {
  const cases: [string, PositionRecord | undefined, number, number, PositionRecord][] = [
    ["is 0 for a new log", undefined, 7, 0, { ...steady, base: 0, rotations: 0 }],
    [
      "is before the stream's first byte in a log that was there already",
      undefined,
      7,
      300,
      { ...steady, base: -300, rotations: 0 },
    ],
    ["stays between rotations", steady, 7, 400, steady],
    ["stays when the rotation was not begun", rotating, 7, 500, steady],
    ["moves on when the live file is a new one", rotating, 8, 0, rotated],
    ["moves on when the new one has bytes already", rotating, 8, 20, rotated],
    [
      "moves on when the new one got the inode of the one that was removed",
      rotating,
      7,
      0,
      { ...rotated, inode: 7 },
    ],
  ];
  for (const [name, last, inode, sizeBytes, expected] of cases) {
    it(name, () => assert.deepEqual(resolvePosition(last, { inode, sizeBytes }), expected));
  }
});
