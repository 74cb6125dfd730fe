// SPDX-License-Identifier: Apache-2.0
// A file whose replacement was killed between any two renames has one of the texts, and goes on.

import assert from "node:assert/strict";
import { lstatSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { makeFifo } from "../../../src/kernel/index.ts";
import { ReservedFile } from "../../../src/program/portable/index.ts";

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "reserved-"));
  path = join(directory, "file");
});
afterEach(() => rmSync(directory, { recursive: true }));

const kills: readonly [when: string, files: Readonly<Record<string, string>>, text: string][] = [
  ["while the text is written", { file: "old\n", "file.new": "ne" }, "old"],
  ["after the first rename", { "file.new": "new\n", "file.old": "old\n" }, "new"],
  ["after the second rename", { file: "new\n", "file.old": "old\n" }, "new"],
  ["after the third rename", { file: "new\n", "file.new": "old\n" }, "new"],
  ["while the first text is written", { "file.new": "ne" }, ""],
];

for (const [when, files, text] of kills) {
  test(`killed ${when}, it has ${text || "no"} text`, async () => {
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(directory, name), content);
    }
    const file = new ReservedFile(path);
    assert.equal((file.read() ?? "").trimEnd(), text);
    await file.replaceLater("next");
    assert.equal(file.read()?.trimEnd(), "next");
    file.replace("last");
    assert.equal(file.read()?.trimEnd(), "last");
    assert.deepEqual(new Set(readdirSync(directory)), new Set(["file", "file.new"]));
    file.close();
    assert.deepEqual(readdirSync(directory), ["file"]);
  });
}

test("a FIFO or a link in the place of the spare file is removed", () => {
  makeFifo(`${path}.new`, 0o600);
  const file = new ReservedFile(path);
  file.replace("text");
  assert.ok(lstatSync(path).isFile());
  file.close();
  symlinkSync("other", `${path}.new`);
  const again = new ReservedFile(path);
  again.replace("text");
  assert.ok(lstatSync(path).isFile());
  again.close();
  assert.deepEqual(readdirSync(directory), ["file"]);
});

test("a shorter text leaves nothing of a longer one, and a reserved text fits", () => {
  const file = new ReservedFile(path);
  assert.equal(file.read(), undefined);
  file.reserve(100);
  assert.equal(file.roomBytes, 100);
  file.replace("a".repeat(100));
  file.replace("b");
  file.replace("c");
  assert.equal(file.read()?.trimEnd(), "c");
  assert.equal(file.roomBytes, 100);
  file.removeIfPossible();
  assert.deepEqual(readdirSync(directory), []);
});
