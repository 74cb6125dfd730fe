// SPDX-License-Identifier: Apache-2.0
// What programs print under `xenlog run` is in the log, and the log within its bound.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { chainSizes, filesBelow, wholeLog } from "../../support/chain.ts";
import { spawnXenlog, testDirectory, xenlog } from "../../support/cli.ts";
import { isRunning } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";

const limitBytes = 65_536;
const bounded = ["--limit", "64KiB", "--copies", "3"] as const;

function run(directory: string, options: readonly string[], ...command: string[]): string[] {
  return ["run", "--name", "demo", ...options, "--dir", directory, "--", ...command];
}

function logOf(directory: string): string {
  return join(directory, "log/demo-console.log");
}

describe("a program under run", () => {
  it("that floods leaves the newest lines, gapless, in four files within their limit", async () => {
    await using directory = testDirectory();
    const { path } = directory;
    const result = await xenlog(run(path, bounded, "sh", "-c", "seq 1 2000000"));
    assert.equal(result.code, 0, result.stderr);
    assert.equal(result.stdout, "");
    const sizes = chainSizes(logOf(path));
    assert.equal(sizes.length, 4);
    assert.ok(sizes.every((size) => size <= limitBytes));
    const lines = wholeLog(logOf(path)).toString("latin1").trimEnd().split("\n").map(Number);
    assert.equal(lines.at(-1), 2_000_000);
    assert.ok(lines.every((line, index) => index === 0 || line === (lines[index - 1] ?? 0) + 1));
    const kept = sizes.reduce((sum, size) => sum + size);
    assert.match(
      result.stderr,
      new RegExp(
        `^xenlog: demo/console ${logOf(path)} kept=${kept} written=14888896 dropped=0 rotations=[0-9]+\n$`,
      ),
    );
    // The daemon, its store and its holder went with the last run.
    assert.deepEqual(filesBelow(join(path, "run")), []);
  });

  it("that prints random bytes with NULs finds them in the log as they were", async () => {
    await using directory = testDirectory();
    const { path } = directory;
    const command = `head -c 3000000 /dev/urandom | tee "${path}/sent"`;
    const result = await xenlog(run(path, bounded, "sh", "-c", command));
    assert.equal(result.code, 0, result.stderr);
    const sent = readFileSync(join(path, "sent"));
    const log = wholeLog(logOf(path));
    assert.ok(log.includes(0) && log.length > 3 * (limitBytes - 4096));
    assert.ok(sent.subarray(sent.length - log.length).equals(log));
    assert.ok(chainSizes(logOf(path)).every((size) => size <= limitBytes));
  });

  it("that prints one line of 1 MiB without a newline fills its files to the byte", async () => {
    await using directory = testDirectory();
    const { path } = directory;
    const command = "head -c 1048576 /dev/zero | tr '\\0' x";
    const result = await xenlog(run(path, bounded, "sh", "-c", command));
    assert.equal(result.code, 0, result.stderr);
    assert.deepEqual(chainSizes(logOf(path)), [65_536, 65_536, 65_536, 65_536]);
    assert.ok(wholeLog(logOf(path)).equals(Buffer.alloc(4 * limitBytes, "x")));
  });

  it("that says nothing leaves an empty log", async () => {
    await using directory = testDirectory();
    const { path } = directory;
    const result = await xenlog(run(path, bounded, "true"));
    assert.equal(result.code, 0, result.stderr);
    assert.deepEqual(chainSizes(logOf(path)), [0]);
  });

  it("that prompts without a newline has its prompt in the file at once", async () => {
    await using directory = testDirectory();
    const { path } = directory;
    const command = `printf 'login: '; until [ -e "${path}/seen" ]; do sleep 0.02; done`;
    const running = spawnXenlog(run(path, bounded, "sh", "-c", command));
    await waitFor("the prompt", () => {
      try {
        return readFileSync(logOf(path), "latin1").startsWith("login: ");
      } catch {
        return false;
      }
    });
    writeFileSync(join(path, "seen"), "");
    assert.equal((await running.exited).code, 0);
  });

  it("that logs through stdout and stderr at once has both, each in order", async () => {
    await using directory = testDirectory();
    const { path } = directory;
    const command =
      "(for i in $(seq 1 500); do echo out $i; done) & for i in $(seq 1 500); do echo err $i >&2; done; wait";
    const result = await xenlog(run(path, [], "sh", "-c", command));
    assert.equal(result.code, 0, result.stderr);
    const lines = wholeLog(logOf(path)).toString("latin1").trimEnd().split("\n");
    for (const stream of ["out", "err"]) {
      const own = lines.filter((line) => line.startsWith(stream));
      assert.deepEqual(
        own,
        Array.from({ length: 500 }, (_, index) => `${stream} ${index + 1}`),
      );
    }
  });

  it("that leaves a grandchild on the pipe delays the end by two seconds at most", async () => {
    await using directory = testDirectory();
    const { path } = directory;
    const command = `echo before; sleep 60 & echo $! > "${path}/grandchild"; exit 3`;
    const started = performance.now();
    const result = await xenlog(run(path, bounded, "sh", "-c", command));
    const tookMs = performance.now() - started;
    const grandchild = Number(readFileSync(join(path, "grandchild"), "latin1"));
    try {
      assert.equal(result.code, 3, result.stderr);
      assert.ok(isRunning(grandchild), "the grandchild is left alone");
      assert.equal(wholeLog(logOf(path)).toString("latin1"), "before\n");
      // Two seconds for the grandchild, the rest for two processes to start and to stop.
      assert.ok(tookMs < 12_000, `it took ${tookMs} ms`);
      assert.match(result.stderr, /demo\/console is still held open by sleep \(pid [0-9]+\)/);
    } finally {
      process.kill(grandchild, "SIGKILL");
    }
    await waitFor("the daemon's own end", () => filesBelow(join(path, "run")).length === 0);
  });
});
