// SPDX-License-Identifier: Apache-2.0
// Disks that take nothing more, as docs/operations.md says: full, without inodes, read-only; with logs,
// state or stderr of the daemon on them; while it runs, at its start, and at its restart after SIGKILL.
// XENLOGD_SURROUNDINGS=all plays all cells.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { xenstoredParts } from "../../support/xenstored.ts";
import { play } from "./play.ts";
import { Site } from "./site.ts";
import { cells, documentedRows, expectedOf, isSelected, nameOf, wordOf } from "./table.ts";

const parts = await xenstoredParts();
const root = process.getuid?.() === 0 ? false : "mounting a small file system needs root";
const skip = parts.found ? root : parts.reason;
const isWhole = process.env["XENLOGD_SURROUNDINGS"] === "all";

describe("a disk that takes nothing", { concurrency: 2, skip }, () => {
  for (const cell of cells.filter((each) => isWhole || isSelected(each))) {
    it(nameOf(cell), async () => {
      assert.ok(parts.found);
      await using site = await Site.make({ ...cell, parts });
      const conduct = await play(site, cell.moment);
      for (const [part, expected] of Object.entries(expectedOf(cell))) {
        const found = conduct[part as keyof typeof conduct];
        if (typeof expected === "string") assert.equal(found, expected, part);
        else assert.match(found, expected, part);
      }
    });
  }
});

describe("docs/operations.md", () => {
  const text = readFileSync(new URL("../../../docs/operations.md", import.meta.url), "utf8");
  it("has the table", () => {
    for (const row of documentedRows()) assert.ok(text.includes(`\n${row}\n`), row);
  });
  it("has one row for both modes, and for a running and a restarted daemon", () => {
    for (const cell of cells) {
      const moment = cell.moment === "restart" ? "running" : cell.moment;
      const [one, other] = [expectedOf(cell), expectedOf({ ...cell, mode: "host", moment })];
      for (const part of ["there", "beside", "request"] as const) {
        assert.equal(wordOf(one[part]), wordOf(other[part]), `${nameOf(cell)}: ${part}`);
      }
    }
  });
});
