// SPDX-License-Identifier: Apache-2.0
// The lines that the pump writes into logs, as docs/operations.md quotes them for those who read logs.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fifoLostMarker, lossMarker, supersededMarker } from "../../../src/pump/markers.ts";

const document = readFileSync(new URL("../../../docs/operations.md", import.meta.url), "utf8");
const atMs = Date.UTC(2026, 10, 23);

describe("a line that xenlogd writes into a log", () => {
  const lines: readonly (readonly [string, string])[] = [
    ["about a stage", lossMarker(77, "exact", atMs)],
    ["about a FIFO", fifoLostMarker(atMs)],
    ["about last writers", supersededMarker(77, "5/1", atMs)],
  ];
  for (const [what, line] of lines) {
    it(`is in docs/operations.md: ${what}`, () => {
      const quoted = line.replace("77", "N").replace("2026-11-23T00:00:00Z", "TIME");
      assert.ok(document.includes(`\`${quoted}\``), quoted);
    });
  }

  it("says up to how many where that cannot be known", () => {
    assert.match(lossMarker(77, "atMost", atMs), /^\[xenlogd: up to 77 bytes lost, /);
    assert.ok(document.includes("`up to N bytes lost, …`"));
  });
});
