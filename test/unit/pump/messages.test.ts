// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseToPump } from "../../../src/pump/messages.ts";

const epoch = "0123456789abcdef";
const overflow = { graceMs: 5000 };
const rate = { bytesPerSecond: 1, burstBytes: 4096 };
const start = {
  type: "start",
  lockFile: "/lock",
  notesFile: "/notes",
  positionsDirectory: "/positions",
  directory: "/log",
  contents: null,
  recorded: null,
  stages: [{ path: "/proc/1/fd/3", inode: 7 }],
};

describe("a message to a pump", () => {
  const understood: readonly object[] = [
    { ...start, fsync: { kind: "none" }, overflow, rate },
    { ...start, fsync: { kind: "interval", intervalMs: 100 }, overflow, rate },
    { type: "configure", fsync: { kind: "rotate" }, overflow, rate },
    { type: "reopen" },
    {
      type: "reconfigure",
      epoch,
      limitBytes: 4096,
      copies: 0,
      rateBytesPerSecond: 1,
      burstBytes: null,
    },
  ];
  for (const message of understood) {
    it(`passes as it is: ${JSON.stringify(message)}`, () => {
      assert.deepEqual(parseToPump(JSON.parse(JSON.stringify(message))), message);
    });
  }

  const refused: readonly object[] = [
    start,
    { type: "configure", fsync: { kind: "none" }, overflow: { graceMs: -1 }, rate },
    { type: "configure", fsync: { kind: "always" }, overflow, rate },
    { type: "configure", fsync: { kind: "interval" }, overflow, rate },
    { type: "configure", fsync: { kind: "interval", intervalMs: 0 }, overflow, rate },
    { type: "reconfigure", epoch, limitBytes: 4095, copies: 0 },
    { type: "reconfigure", epoch, limitBytes: 4096, copies: -1 },
  ];
  for (const message of refused) {
    it(`is refused: ${JSON.stringify(message)}`, () => {
      assert.throws(() => parseToPump(message), { name: "ValiError" });
    });
  }
});
