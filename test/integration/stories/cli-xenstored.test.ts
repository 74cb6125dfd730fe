// SPDX-License-Identifier: Apache-2.0
// `xenlog xenstored` as a process: what it makes, says and leaves.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { connectXenstore } from "../../../src/xenstore/index.ts";
import { spawnXenlog, testDirectory, until, xenlog } from "../../support/cli.ts";

describe("xenlog xenstored", () => {
  it("makes the directories of its socket, and says when it answers", async () => {
    await using directory = testDirectory();
    const socketPath = join(directory.path, "new/run/socket");
    const store = spawnXenlog(["xenstored", "--socket", socketPath]);
    await until(() => store.stderr() !== "", "it says something");
    const xenstore = await connectXenstore({ socketPath });
    await xenstore.close();
    store.child.kill("SIGTERM");
    const stderr = `xenlog: xenstored answers at ${socketPath}\n`;
    assert.deepEqual(await store.exited, { code: 0, signal: null, stdout: "", stderr });
  });

  it("says nothing with --quiet", async () => {
    await using directory = testDirectory();
    const socketPath = join(directory.path, "socket");
    const store = spawnXenlog(["xenstored", "--quiet", "--socket", socketPath]);
    await until(() => existsSync(socketPath), "it listens");
    const xenstore = await connectXenstore({ socketPath });
    await xenstore.close();
    store.child.kill("SIGTERM");
    assert.equal((await store.exited).stderr, "");
  });

  it("refuses a path that would be printed otherwise than it is", async () => {
    await using directory = testDirectory();
    const path = join(directory.path, "a\nb");
    for (const option of ["--socket", "--state"]) {
      const { code, stderr } = await xenlog(["xenstored", "--dir", directory.path, option, path]);
      const said = `xenlog: ${option} is "${directory.path}/a\\u{a}b"; it must not contain control characters\n`;
      assert.deepEqual([code, stderr], [2, said]);
    }
    assert.deepEqual(readdirSync(directory.path), []);
  });

  it("removes the directories that it made when it cannot start", async () => {
    await using directory = testDirectory();
    const at = (name: string): string => join(directory.path, name);
    mkdirSync(at("state"));
    const args = ["--socket", at("new/run/socket"), "--state", at("state")];
    const { code, stderr } = await xenlog(["xenstored", ...args]);
    assert.equal(code, 1);
    assert.ok(stderr.startsWith(`xenlog: cannot use ${at("state")}: `), stderr);
    assert.equal(existsSync(at("new")), false);
  });
});
