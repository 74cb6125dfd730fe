// SPDX-License-Identifier: Apache-2.0
// docs/contract.md numbers its statements, and tests name the numbers: every statement has a test, and
// every number that a test names is one of a statement.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../..", import.meta.url));
const document = readFileSync(join(repository, "docs/contract.md"), "utf8");

const numbers: readonly string[] = [...document.matchAll(/<sup>(C\d+)<\/sup>/g)].map(
  ([, number = ""]) => number,
);

/** Lines that name numbers, with the line that comes after them. */
const named = readdirSync(join(repository, "test"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .flatMap((name) => {
    const lines = readFileSync(join(repository, "test", name), "utf8").split("\n");
    return lines.flatMap((line, index) => {
      const [, list] = /^\s*\/\/ contract: (.*)$/.exec(line) ?? [];
      if (list === undefined) return [];
      const where = `test/${name}:${index + 1}`;
      return [{ where, numbers: list.split(", "), next: lines[index + 1] ?? "" }];
    });
  });

/** Sections in which each row of a table and each item of a list must have a number. */
const numberedSections = [
  "Nodes",
  "When bytes are dropped",
  "Order",
  "States of a request",
  "Changing what is served",
  "Who deletes what, and when",
  "When is a writer gone",
  "Time-outs",
  "With `mkfifo` and `xenstore-write` only",
  "In TypeScript",
];

describe("the statements of docs/contract.md", () => {
  it("have a number each, and each its own", () => {
    assert.deepEqual(numbers, [...new Set(numbers)]);
    const without = statements().filter((line) => !/<sup>C\d+<\/sup>/.test(line));
    assert.deepEqual(without, []);
  });

  it("are named by a test each", () => {
    const tested = new Set(named.flatMap((line) => line.numbers));
    assert.deepEqual(
      numbers.filter((number) => !tested.has(number)),
      [],
    );
  });

  it("are what tests name", () => {
    const known = new Set(numbers);
    const unknown = named.flatMap((line) =>
      line.numbers.filter((number) => !known.has(number)).map((number) => [line.where, number]),
    );
    assert.deepEqual(unknown, []);
  });

  it("are named at tests, not at helpers", () => {
    // A call of `it` or `test`, a row of a table of tests, or `describe` for all tests in it.
    const test = /^\s*(it|test|describe)\(|^\s*\[|^\s*it(:|,)/;
    const elsewhere = named.filter(({ next }) => !test.test(next)).map(({ where }) => where);
    assert.deepEqual(elsewhere, []);
  });
});

/** Rows of the tables and items of the lists that say what is so. */
function statements(): readonly string[] {
  return numberedSections.flatMap((title) => {
    const start = document.indexOf(`\n## ${title}\n`);
    assert.notEqual(start, -1, title);
    const end = document.indexOf("\n## ", start + 1);
    const blocks = document.slice(start, end).split(/\n\n+/);
    return blocks.flatMap((block) => {
      // The head of a table and the line below it.
      if (block.startsWith("| ")) return block.trimEnd().split("\n").slice(2);
      return block.startsWith("- ") ? block.split(/\n(?=- )/) : [];
    });
  });
}
