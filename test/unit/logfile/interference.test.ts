// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sizeChange } from "../../../src/logfile/write/interference.ts";

describe("a live file of another size than expected", () => {
  const cases: [string, known: number, found: number, change: string][] = [
    ["was extended", 100, 101, "extended"],
    ["was extended up to its limit", 100, 4096, "extended"],
    ["was extended above its limit", 100, 4097, "aboveLimit"],
    ["was cut", 100, 99, "cut"],
    ["was emptied", 100, 0, "emptied"],
  ];
  for (const [name, known, found, change] of cases) {
    it(name, () => assert.equal(sizeChange(known, found, 4096), change));
  }
});
