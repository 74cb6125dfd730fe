// SPDX-License-Identifier: Apache-2.0
// The faults of `npm run mutants` can all be planted: a change of the sources cannot make one of them
// stale without a failing test. That they are found out is the script's to show.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { mutants, plant } from "../../scripts/mutant-list.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

describe("a fault to be planted", () => {
  for (const mutant of mutants) {
    it(`is one still: ${mutant.file}: ${mutant.what}`, () => {
      stripTypeScriptTypes(plant(mutant, readFileSync(root + mutant.file, "utf8")));
      for (const file of mutant.tests) assert.ok(existsSync(root + file), file);
    });
  }

  it("is described once", () => {
    const names = mutants.map(({ file, what }) => `${file}: ${what}`);
    assert.deepEqual([...new Set(names)], names);
    assert.ok(mutants.length > 50);
  });
});
