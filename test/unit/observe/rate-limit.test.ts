// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RateLimit } from "../../../src/observe/index.ts";

describe("a rate limit", () => {
  it("admits a subject once in each interval", () => {
    const limit = new RateLimit({ intervalMs: 1000, subjectsMax: 10 });
    const times = [0, 1, 999, 1000, 1500, 1999, 2000, 9000];
    const admitted = times.filter((nowMs) => limit.admits("a", nowMs));
    assert.deepEqual(admitted, [0, 1000, 2000, 9000]);
  });

  it("counts each subject by itself", () => {
    const limit = new RateLimit({ intervalMs: 1000, subjectsMax: 10 });
    assert.equal(limit.admits("a", 0), true);
    assert.equal(limit.admits("b", 500), true);
    assert.equal(limit.admits("a", 1000), true);
    assert.equal(limit.admits("b", 1499), false);
  });

  it("admits no more subjects in one interval than it can remember", () => {
    const limit = new RateLimit({ intervalMs: 1000, subjectsMax: 3 });
    const subjects = ["a", "b", "c", "d", "e"];
    assert.deepEqual(
      subjects.filter((subject) => limit.admits(subject, 0)),
      ["a", "b", "c"],
    );
    assert.equal(limit.admits("d", 999), false);
    assert.equal(limit.admits("d", 1000), true);
  });
});
