// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatNotice, parseNotice } from "../../../src/program/portable/notice.ts";

describe("a notice", () => {
  it("survives the way", () => {
    for (const notice of [
      { kind: "ready" },
      { kind: "failed", code: "bad", message: "it is bad", exitCode: 7 },
    ] as const) {
      assert.deepEqual(parseNotice(formatNotice(notice)), notice);
    }
  });

  it("is none when it is cut off or foreign", () => {
    for (const text of ["", "{", "[]", '{"ready":false}', '{"error":{"code":"a"},"exitCode":1}']) {
      assert.equal(parseNotice(text), undefined);
    }
  });
});
