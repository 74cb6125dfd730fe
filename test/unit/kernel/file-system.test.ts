// SPDX-License-Identifier: Apache-2.0
// What identifies a file system.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { identifyFileSystem, isUnique } from "../../../src/kernel/index.ts";

const noMount = process.getuid?.() === 0 ? false : "mounting needs root";

describe("a file system", () => {
  it("is the same for its directories", () => {
    const directory = mkdtempSync(join(tmpdir(), "xenlogd-fs-"));
    try {
      mkdirSync(join(directory, "below"));
      assert.equal(identifyFileSystem(directory), identifyFileSystem(join(directory, "below")));
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("is not identified where statfs(2) gives nothing that does", () => {
    // A cgroup file system has an f_fsid of 0; so have FUSE and NFS.
    const ids = ["/proc", "/sys"].map((path) => identifyFileSystem(path)).filter(isUnique);
    assert.equal(new Set(ids).size, ids.length);
  });

  it("is another one for each mount of a new one", { skip: noMount }, () => {
    const directory = mkdtempSync(join(tmpdir(), "xenlogd-fs-"));
    const ids = [0, 1].map(() => {
      execFileSync("mount", ["-t", "tmpfs", "xenlogd-test", directory]);
      const id = identifyFileSystem(directory);
      execFileSync("umount", [directory]);
      return id;
    });
    rmSync(directory, { recursive: true });
    // Kernels before 6.9 derive a tmpfs's from its device number, which may be used again.
    if (ids[0]?.startsWith("uuid-")) assert.notEqual(ids[0], ids[1]);
    assert.ok(ids.every((id) => id !== undefined && isUnique(id)));
  });

  it("that cannot be opened is an error with its errno", () => {
    assert.throws(() => identifyFileSystem("/does/not/exist"), { code: "ENOENT" });
  });
});
