// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { planTrim } from "../../../src/logfile/write/trim.ts";

interface Case {
  readonly name: string;
  /** Sizes of x.log, x.log.1, …; limit and copies are 10 and 3 from now on. */
  readonly sizes: readonly number[];
  readonly allowedBytes: number;
  /** `-1`: x.log.1 is removed; `0`: x.log is shortened. */
  readonly steps: string;
}

const cases: readonly Case[] = [
  { name: "files that fit", sizes: [10, 10, 10, 10], allowedBytes: 40, steps: "" },
  { name: "copies too many", sizes: [10, 10, 10, 10, 5, 5], allowedBytes: 60, steps: "-5 -4" },
  { name: "files that are too large", sizes: [12, 12], allowedBytes: 48, steps: "1 0" },
  { name: "a whole chain", sizes: [12, 12, 12, 12], allowedBytes: 48, steps: "-3 2 1 0" },
  {
    name: "a chain of which an interrupted trim has shortened a part",
    sizes: [20, 20, 10, 10],
    allowedBytes: 60,
    steps: "-3 1 0",
  },
  { name: "a live file alone", sizes: [12, 5, 5, 5], allowedBytes: 30, steps: "-3 -2 0" },
  { name: "a live file without room", sizes: [12], allowedBytes: 12, steps: "0" },
  { name: "more than the bound permits", sizes: [99, 10, 10, 10], allowedBytes: 40, steps: "0" },
];

describe("the steps that bring files under a bound", () => {
  for (const { name, sizes, allowedBytes, steps } of cases) {
    it(`${name}: ${steps || "none"}, never with more bytes than allowed`, () => {
      const chain = sizes
        .map((sizeBytes, index) => ({ name: `${index}`, index, sizeBytes }))
        .reverse();
      const plan = planTrim(chain, { limitBytes: 10, copies: 3, allowedBytes });
      const said = plan.map((step) => `${step.kind === "remove" ? "-" : ""}${step.name}`);
      assert.equal(said.join(" "), steps);
    });
  }
});
