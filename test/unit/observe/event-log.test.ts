// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { lineOf } from "../../../src/observe/event-log.ts";

const about = { key: "5/1", name: "demo", log: "console", file: "/var/log/xen/demo.log" };

describe("an event's line", () => {
  it("has the event's name as message, its fields, and a level", () => {
    assert.deepEqual(lineOf({ kind: "XenstoreLost", reason: "EPIPE" }), {
      level: "warn",
      message: "XenstoreLost",
      fields: { reason: "EPIPE" },
    });
  });

  it("is an error when bytes were lost", () => {
    const lost = { kind: "StageLost", ...about, bytes: 7, certainty: "exact" } as const;
    assert.equal(lineOf(lost).level, "error");
  });
});
