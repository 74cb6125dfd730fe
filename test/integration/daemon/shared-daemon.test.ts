// SPDX-License-Identifier: Apache-2.0
// The daemon that `xenlog run` starts is there as long as somebody needs it: each `run` has a shared
// lock on one file as long as it lives, and the last of them takes the daemon down.

import assert from "node:assert/strict";
import { closeSync, constants, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { openPath, tryLock } from "../../../src/kernel/index.ts";
import {
  leftBehind,
  processesIn,
  type RunningXenlog,
  readOrEmpty,
  spawnXenlog,
  type TestDirectory,
  testDirectory,
  until,
  xenlog,
} from "../../support/cli.ts";
import { isRunning } from "../../support/daemon.ts";

/** Longer than the daemon takes to see that nobody is there, twice. */
const longMs = 2500;

/** The lock of a `run` that has joined and has no stream yet, or that hangs. */
function joinAs({ path }: TestDirectory): number {
  mkdirSync(join(path, "state"), { recursive: true, mode: 0o700 });
  const flags = constants.O_RDWR | constants.O_CREAT;
  const fd = openPath(join(path, "state/clients.lock"), flags, 0o600);
  assert.ok(tryLock(fd, "shared"));
  return fd;
}

function daemonOf({ path }: TestDirectory): number {
  return Number(readOrEmpty(join(path, "run/xenlogd.pid")));
}

function run({ path }: TestDirectory, name: string, script: string): readonly string[] {
  return ["run", "--dir", path, "--name", name, "--", "sh", "-c", script];
}

function logOf({ path }: TestDirectory): string {
  return join(path, "log/first-console.log");
}

/** A `run` whose COMMAND has written a line, and writes another one and ends at `end`. */
async function startFirst(directory: TestDirectory): Promise<{
  readonly first: RunningXenlog;
  readonly daemon: number;
  readonly end: () => void;
}> {
  const marker = join(directory.path, "marker");
  const script = `echo here; until [ -e ${marker} ]; do sleep 0.05; done; echo bye`;
  const first = spawnXenlog(run(directory, "first", script));
  await until(() => readOrEmpty(logOf(directory)) === "here\n", "it runs");
  return { first, daemon: daemonOf(directory), end: () => writeFileSync(marker, "") };
}

describe("a daemon that run started", { concurrency: 2 }, () => {
  it("stays when one of two ends, and goes with the last", async () => {
    await using directory = testDirectory();
    const { first, daemon, end } = await startFirst(directory);
    const second = await xenlog(run(directory, "second", "true"));
    assert.equal(second.code, 0, second.stderr);
    assert.ok(isRunning(daemon));
    end();
    assert.equal((await first.exited).code, 0, first.stderr());
    assert.ok(!isRunning(daemon));
    assert.deepEqual(processesIn(directory.path), []);
  });

  it("stays when the only one with a stream ends and another has just joined", async () => {
    await using directory = testDirectory();
    const other = joinAs(directory);
    try {
      const { code, stderr } = await xenlog(run(directory, "first", "true"));
      assert.equal(code, 0, stderr);
      const daemon = daemonOf(directory);
      assert.ok(isRunning(daemon), "it was not the last");
      await delay(longMs);
      assert.ok(isRunning(daemon), "nor does the daemon take it for the last");
      closeSync(other);
      await until(() => !isRunning(daemon), "the daemon ends by itself");
    } finally {
      if (existsSync(`/proc/self/fd/${other}`)) closeSync(other);
    }
    await until(() => processesIn(directory.path).length === 0, "everything is gone");
    const left = leftBehind(directory.path).filter((path) => !path.startsWith("log/"));
    assert.deepEqual(left, []);
  });

  // contract: C76
  it("reads what COMMAND's own child prints after the end of run, then ends by itself", async () => {
    await using directory = testDirectory();
    const [marker, done] = [join(directory.path, "marker"), join(directory.path, "done")];
    // More than the FIFO holds: without a reader it would block in write(2) for ever.
    const late = `until [ -e ${marker} ]; do sleep 0.05; done; seq 1 100000; echo $? >${done}`;
    const script = `setsid sh -c '${late}' & echo here`;
    const { code, stderr } = await xenlog(run(directory, "first", script));
    assert.equal(code, 0, stderr);
    assert.match(stderr, /is still held open by .*\n.* written=5 .*\n$/);
    const daemon = daemonOf(directory);
    assert.ok(isRunning(daemon), "somebody reads");
    writeFileSync(marker, "");
    await until(() => readOrEmpty(done) === "0\n", "all of it was written");
    await until(() => !isRunning(daemon), "the daemon ends by itself");
    assert.ok(readOrEmpty(logOf(directory)).endsWith("99999\n100000\n"));
    await until(() => processesIn(directory.path).length === 0, "everything is gone");
    const left = leftBehind(directory.path).filter((path) => !path.startsWith("log/"));
    assert.deepEqual(left, []);
  });

  it("ends by itself when the only one was killed, and not before its writer has", async () => {
    await using directory = testDirectory();
    const { first, daemon, end } = await startFirst(directory);
    first.child.kill("SIGKILL");
    await first.exited;
    await delay(longMs);
    assert.ok(isRunning(daemon), "its COMMAND writes still");
    end();
    await until(() => !isRunning(daemon), "the daemon ends by itself");
    assert.equal(readOrEmpty(logOf(directory)), "here\nbye\n");
    await until(() => processesIn(directory.path).length === 0, "everything is gone");
  });
});
