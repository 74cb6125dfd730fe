// SPDX-License-Identifier: Apache-2.0
// The replacement of a file: whole or not at all, also when the process is killed in the middle.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { makeFifo } from "../../../src/kernel/index.ts";
import { replaceFile } from "../../../src/program/index.ts";
import { debianProgram } from "../../support/debian.ts";

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "replace-"));
  path = join(directory, "file");
});
afterEach(() => rmSync(directory, { recursive: true }));

const ways = {
  replaceFile: async (file: string, text: string) => replaceFile(file, text),
  "replaceFile, durable": async (file: string, text: string) =>
    replaceFile(file, text, { durable: true }),
};

const strace = await debianProgram("strace");
const traced = { skip: strace.found ? false : strace.reason };

/** What strace(1) sees of a process that replaces the file, killed where `inject` says. */
function replaceTraced(inject?: string): string {
  const module = new URL("../../../src/program/portable/replace-file.ts", import.meta.url).href;
  const script = `import { replaceFile } from ${JSON.stringify(module)};
replaceFile(${JSON.stringify(path)}, "new, and much longer than before", { durable: true });`;
  const node = [process.execPath, "--input-type=module", "--eval", script];
  const log = join(directory, "strace");
  const trace = ["-f", "-y", "-o", log, "-e", "trace=fsync,fdatasync,/rename"];
  const where = inject === undefined ? [] : ["-e", `inject=${inject}`];
  assert.ok(strace.found);
  const { error } = spawnSync(strace.path, [...trace, ...where, ...node], { env: strace.env });
  assert.equal(error, undefined);
  const text = readFileSync(log, "utf8");
  rmSync(log);
  return text;
}

for (const [name, replace] of Object.entries(ways)) {
  describe(name, () => {
    it("makes a file for its owner alone, and replaces it", async () => {
      await replace(path, "old");
      assert.equal(statSync(path).mode & 0o777, 0o600);
      const { ino } = statSync(path);
      await replace(path, "new");
      assert.equal(readFileSync(path, "utf8"), "new");
      assert.notEqual(statSync(path).ino, ino, "a reader has the old content to its end");
      assert.deepEqual(readdirSync(directory), ["file"]);
    });

    it("overwrites what a killed process has left beside the file", async () => {
      writeFileSync(`${path}.new`, "x".repeat(1000));
      await replace(path, "new");
      assert.equal(readFileSync(path, "utf8"), "new");
      assert.deepEqual(readdirSync(directory), ["file"]);
    });

    it("removes a FIFO or a link that is beside the file", async () => {
      makeFifo(`${path}.new`, 0o600);
      // Without a reader an open for writing would wait for ever.
      const reader = openSync(`${path}.new`, constants.O_RDONLY | constants.O_NONBLOCK);
      await replace(path, "new");
      closeSync(reader);
      assert.ok(lstatSync(path).isFile());
      symlinkSync("other", `${path}.new`);
      await replace(path, "newer");
      assert.ok(lstatSync(path).isFile());
      assert.deepEqual(readdirSync(directory), ["file"]);
    });

    it("throws and leaves nothing beside it when it cannot", async () => {
      mkdirSync(path);
      writeFileSync(join(path, "in it"), "");
      await assert.rejects(replace(path, "new"));
      assert.deepEqual(readdirSync(directory), ["file"]);
      await assert.rejects(replace(join(directory, "no/file"), "new"), { code: "ENOENT" });
    });
  });
}

describe("a process that is killed while it replaces a file", () => {
  it("leaves the old content before the rename, and the next one succeeds", traced, () => {
    replaceFile(path, "old");
    replaceTraced("/rename:signal=KILL");
    // The kernel does not run a call during whose entry the process was killed.
    assert.equal(readFileSync(path, "utf8"), "old");
    assert.deepEqual(readdirSync(directory), ["file", "file.new"]);
    replaceFile(path, "next");
    assert.deepEqual([readFileSync(path, "utf8"), readdirSync(directory)], ["next", ["file"]]);
  });

  it("leaves the old content before the sync", traced, () => {
    replaceFile(path, "old");
    replaceTraced("fsync:signal=KILL:when=1");
    assert.equal(readFileSync(path, "utf8"), "old");
    replaceFile(path, "next");
    assert.deepEqual([readFileSync(path, "utf8"), readdirSync(directory)], ["next", ["file"]]);
  });
});

describe("a durable replacement", () => {
  it("syncs the content, renames, syncs the directory", traced, () => {
    // Only calls about this directory: Node.js may rename files of its own, such as its compile cache.
    const calls = replaceTraced()
      .split("\n")
      .filter((line) => line.includes(directory));
    const order = calls.flatMap((line) => {
      const [, call, file] = /(fsync|rename)[a-z0-9]*\((?:\d+<([^>]*)>)?/.exec(line) ?? [];
      return call === undefined ? [] : [call === "rename" ? call : `${call} ${file}`];
    });
    assert.deepEqual(order, [`fsync ${path}.new`, "rename", `fsync ${directory}`]);
  });
});
