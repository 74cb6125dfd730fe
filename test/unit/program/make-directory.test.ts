// SPDX-License-Identifier: Apache-2.0
// Directories are made with those above them; where none can be made that is said, at once.

import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { makeDirectory } from "../../../src/program/index.ts";

const root = mkdtempSync(join(tmpdir(), "xl-mkdir-"));
after(() => rmSync(root, { recursive: true }));

describe("a directory", () => {
  it("is made with those above it, and is left alone when it is there", () => {
    const made: string[] = [];
    makeDirectory(join(root, "a/b/c"), 0o700, made);
    assert.deepEqual(made, [join(root, "a"), join(root, "a/b"), join(root, "a/b/c")]);
    assert.equal(statSync(join(root, "a/b")).mode & 0o777, 0o700);
    makeDirectory(join(root, "a/b/c"), 0o700, made);
    makeDirectory("/", 0o700, made);
    assert.equal(made.length, 3);
  });

  it("may be behind a link", () => {
    mkdirSync(join(root, "target"));
    symlinkSync(join(root, "target"), join(root, "link"));
    makeDirectory(join(root, "link/below"), 0o700);
    assert.ok(statSync(join(root, "target/below")).isDirectory());
  });

  const refused = (path: string, code: string): void =>
    assert.throws(() => makeDirectory(path, 0o700), { code });

  it("is not made below a file, nor in its place, nor in that of a dangling link", () => {
    writeFileSync(join(root, "file"), "");
    symlinkSync(join(root, "nothing"), join(root, "dangling"));
    refused(join(root, "file/x"), "ENOTDIR");
    refused(join(root, "file"), "ENOTDIR");
    refused(join(root, "dangling"), "ENOTDIR");
  });

  it("is refused where the kernel says that it is missing, although its parent is there", () => {
    refused("/proc/xenlogd-none", "EOPNOTSUPP");
    refused("/proc/xenlogd-none/run/fifo", "EOPNOTSUPP");
  });
});

it("no source lets Node.js make the directories above, which never ends below /proc", () => {
  const src = fileURLToPath(new URL("../../../src", import.meta.url));
  const found = readdirSync(src, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .filter((name) =>
      /^[^/*]*mkdir\w*\([^;]*recursive/m.test(readFileSync(join(src, name), "utf8")),
    );
  assert.deepEqual(found, []);
});
