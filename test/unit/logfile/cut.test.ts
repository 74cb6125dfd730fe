// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type AppendPlan,
  cutWindowBytes,
  planAppend,
  planCut,
} from "../../../src/logfile/write/cut.ts";

describe("what to append", () => {
  // A limit of 65 536 bytes has a window of 4096 before it, from 61 440 on.
  const cases: [string, number, number, AppendPlan][] = [
    ["fits with room to spare", 0, 100, { kind: "write", bytes: 100 }],
    ["ends one byte before the limit", 65_000, 535, { kind: "write", bytes: 535 }],
    ["would reach the limit: up to the window first", 0, 65_536, { kind: "write", bytes: 61_440 }],
    ["reaches it from within the window", 61_440, 5000, { kind: "inspect", bytes: 4096 }],
    ["fills the file exactly", 65_000, 536, { kind: "inspect", bytes: 536 }],
    ["one byte is left", 65_535, 9, { kind: "inspect", bytes: 1 }],
    ["the file is full", 65_536, 1, { kind: "rotate" }],
    ["the file is above its limit", 70_000, 1, { kind: "rotate" }],
  ];
  for (const [name, size, waiting, expected] of cases) {
    it(name, () => assert.deepEqual(planAppend(size, 65_536, waiting), expected));
  }

  it("has a window of an eighth of a small limit", () => {
    assert.equal(cutWindowBytes(4096), 512);
    assert.equal(cutWindowBytes(1 << 30), 4096);
  });

  it("never plans past the limit", () => {
    for (let size = 0; size <= 4100; size += 7) {
      for (const waiting of [1, 511, 512, 513, 3584, 4096, 10_000]) {
        const plan = planAppend(size, 4096, waiting);
        if (plan.kind !== "rotate") assert.ok(plan.bytes > 0 && size + plan.bytes <= 4096);
      }
    }
  });
});

describe("where to cut", () => {
  const head = (text: string): Uint8Array => Buffer.from(text);
  const never = (): boolean => assert.fail("not asked for");

  it("after the last newline", () => {
    assert.deepEqual(planCut(head("ab\ncd\nef"), never), { kind: "write", bytes: 6 });
  });
  it("takes all of it when it ends in a newline", () => {
    assert.deepEqual(planCut(head("ab\ncd\n"), never), { kind: "write", bytes: 6 });
  });
  it("hard at the limit in the middle of a long line", () => {
    assert.deepEqual(
      planCut(head("abcdef"), () => false),
      { kind: "write", bytes: 6 },
    );
  });
  it("before a line that does not end here, when the file ends with a whole one", () => {
    assert.deepEqual(
      planCut(head("abcdef"), () => true),
      { kind: "rotate" },
    );
  });
});
