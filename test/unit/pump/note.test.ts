// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeNote, encodeNote, type OwnerNote } from "../../../src/pump/note.ts";

const note: OwnerNote = {
  version: 2,
  stageInode: 4711,
  target: {
    epoch: "0123456789abcdef",
    logRoot: "/var/log/xen",
    relativeFile: "xenlogd/démo-console.log",
    limitBytes: 1 << 20,
    copies: 4,
  },
  intent: { kind: "write" },
};

describe("an owner note", () => {
  it("fills its room and comes back as it was", () => {
    assert.equal(encodeNote(note).length, 4032);
    assert.deepEqual(decodeNote(encodeNote(note)), note);
  });

  it("holds the longest paths that the contract allows", () => {
    const target = {
      ...note.target,
      logRoot: `/${"a".repeat(1023)}`,
      relativeFile: "b".repeat(1024),
    };
    assert.deepEqual(decodeNote(encodeNote({ ...note, target }))?.target, target);
  });

  it("is not written at all when it does not fit", () => {
    const target = { ...note.target, relativeFile: "b".repeat(4096) };
    assert.throws(() => encodeNote({ ...note, target }), RangeError);
  });

  it("cut at any byte or of another version is no note", () => {
    const page = encodeNote(note);
    const length = page.toString("latin1").trimEnd().length;
    for (let end = 0; end < length; end += 1) {
      assert.equal(decodeNote(Buffer.concat([page.subarray(0, end)], 4096)), undefined);
    }
    assert.equal(decodeNote(Buffer.from(JSON.stringify({ ...note, version: 3 }))), undefined);
  });
});
