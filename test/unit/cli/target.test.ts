// SPDX-License-Identifier: Apache-2.0
// What a command says where there is no daemon, and xenstored's place holds something else, or may not
// be looked at.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { messageOf } from "../../../src/kernel/errno/index.ts";
import { connectXenstore } from "../../../src/xenstore/index.ts";
import { type Outcome, runMain } from "./context.ts";

const root = mkdtempSync(join(tmpdir(), "xenlog-target-"));
after(() => rmSync(root, { recursive: true }));
// The test runner opens its result file on a thread: not while this process is a plain user.
before(async () => {
  for (let round = 0; round < 16; round += 1) await stat(root);
});

const commands = ["list", "create --global", "close host", "reload", "run --global -- true"];

describe("where this user may not look for xenstored", () => {
  chmodSync(root, 0o755);
  const closed = join(root, "closed");
  mkdirSync(closed);
  const socket = join(closed, "socket");

  for (const line of commands) {
    it(`a sentence says what to do: xenlog ${line}`, async () => {
      const outcome = await asPlainUser(closed, () => run(line, socket));
      const sentence = `xenstored at ${socket} cannot be asked: permission denied; run xenlog as root, or use --dir for an embedded one`;
      const code = line.startsWith("run") ? 125 : 3;
      assert.deepEqual(outcome, { code, stdout: "", stderr: `xenlog: ${sentence}\n` });
    });
  }

  it("xenlog xenstored does not take it for another xenstored's", async () => {
    const { code, stderr } = await asPlainUser(closed, () =>
      runMain(["xenstored", "--socket", socket]),
    );
    const sentence = `cannot look into ${closed}: permission denied; choose another --socket`;
    assert.deepEqual([code, stderr], [1, `xenlog: ${sentence}\n`]);
  });

  it("the library says it in the same words", async () => {
    const failed = asPlainUser(closed, () => connectXenstore({ socketPath: socket }));
    const message = `cannot reach xenstored at ${socket}: stat ${socket} failed: permission denied (EACCES)`;
    await assert.rejects(failed, { code: "UNREACHABLE", message });
  });
});

describe("what is not xenstored's", () => {
  it("is not said to answer", async () => {
    const file = join(root, "file");
    writeFileSync(file, "");
    const { code, stderr } = await run("list", file);
    assert.equal(code, 3);
    assert.match(stderr, /^xenlog: neither xenlogd nor xenstored answers on this host/);
  });

  it("is not said to answer through a loop of links either", async () => {
    const loop = join(root, "loop");
    symlinkSync(loop, loop);
    const { code, stderr } = await run("list", join(loop, "socket"));
    assert.equal(code, 3);
    assert.match(stderr, /^xenlog: neither xenlogd nor xenstored answers on this host/);
  });
});

describe("the text of an error of Node.js", () => {
  it("is in our words, with the call, the file and the errno's name", async () => {
    const gone = "/nonexistent/socket";
    const error = await connectXenstore({ socketPath: gone, timeoutMs: 1 }).catch(messageOf);
    const reason = `stat ${gone} failed: it does not exist (ENOENT)`;
    assert.equal(error, `cannot reach xenstored at ${gone}: ${reason}`);
  });

  it("stays where it is a sentence already", () => {
    assert.equal(messageOf(new Error("no ENOENT here")), "no ENOENT here");
  });
});

function run(line: string, xenstored: string): Promise<Outcome> {
  const environment = {
    PATH: "/usr/bin:/bin",
    XENSTORED_PATH: xenstored,
    XEN_RUN_DIR: join(root, "run"),
  };
  return runMain(line.split(" "), { environment });
}

/** Root may look everywhere: it is another user meanwhile. */
async function asPlainUser<T>(closed: string, body: () => Promise<T>): Promise<T> {
  chmodSync(closed, 0);
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    return await body();
  } finally {
    if (isRoot) process.seteuid?.(0);
    chmodSync(closed, 0o700);
  }
}
