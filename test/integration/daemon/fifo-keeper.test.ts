// SPDX-License-Identifier: Apache-2.0
// The detached process that keeps the FIFOs: what writers feel, and leave behind, while all of the
// daemon is dead; and when it comes, changes and goes.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { LogfileHandle } from "../../../src/toolstack/index.ts";
import { spawnXenlog, testDirectory } from "../../support/cli.ts";
import { fifoKeeperOf, isRunning } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench } from "./fixture.ts";

const openings = { O_RDWR: "<>", O_WRONLY: ">" } as const;

/** Opens the FIFO, and says its last words when it is told to; a real process, which SIGPIPE ends. */
async function startWriter(pipe: string, opening: keyof typeof openings): Promise<ChildProcess> {
  const script = `exec 3${openings[opening]}"$1"; echo open; read go; echo last words >&3`;
  const writer = spawn("sh", ["-c", script, "sh", pipe], { stdio: ["pipe", "pipe", "inherit"] });
  assert.ok(writer.stdout);
  await once(writer.stdout, "data");
  return writer;
}

async function sayLastWords(writer: ChildProcess): Promise<void> {
  writer.stdin?.end("go\n");
  const [code, signal] = await once(writer, "exit");
  assert.deepEqual([code, signal], [0, null]);
}

/** Waits until the process that keeps FIFOs has those of these logs, and no others. */
async function keeperWith(bench: Bench, ...handles: readonly LogfileHandle[]): Promise<number> {
  const inodes = handles.map(({ pipe }) => statSync(pipe).ino).sort();
  return await waitFor("the keeper of these FIFOs", () => {
    const pid = fifoKeeperOf(bench.tableDirectory);
    return pid !== undefined && keptBy(bench).join() === inodes.join() && pid;
  });
}

function keptBy(bench: Bench): readonly number[] {
  const text = readFileSync(join(bench.tableDirectory, "fifo-keeper.json"), "utf8");
  const { descriptors } = JSON.parse(text) as { descriptors: readonly { inode: number }[] };
  return descriptors.map(({ inode }) => inode).sort();
}

describe("the keeper of the FIFOs", { concurrency: 2 }, () => {
  for (const opening of ["O_RDWR", "O_WRONLY"] as const) {
    it(`keeps the last words of an ${opening} writer while main and pump are dead`, async () => {
      await using bench = await Bench.start();
      const { daemon } = bench;
      const handle = await bench.stream("orphan");
      await keeperWith(bench, handle);
      const writer = await startWriter(handle.pipe, opening);
      await daemon.kill(daemon.mainPid, daemon.pumpPid);
      await sayLastWords(writer);
      await daemon.start();
      await waitFor("the log", () => readFileSync(handle.file, "utf8") === "last words\n");
    });
  }

  it("is replaced when the streams change, and when it is killed", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    assert.equal(fifoKeeperOf(bench.tableDirectory), undefined, "no stream, no process");
    const handles = await Promise.all(["one", "two", "three"].map((name) => bench.stream(name)));
    const [one, two, three] = handles as [LogfileHandle, LogfileHandle, LogfileHandle];
    const first = await keeperWith(bench, one, two, three);
    await two.close();
    const second = await keeperWith(bench, one, three);
    await waitFor("the end of the one before", () => !isRunning(first));
    await daemon.kill(second);
    const third = await keeperWith(bench, one, three);
    await waitFor("the event", () => bench.count("FifoKeeperLost") > 0);
    await one.close();
    await three.close();
    await waitFor("its end", () => !isRunning(third));
    const stateFile = join(bench.tableDirectory, "fifo-keeper.json");
    await waitFor("the end of its file", () => !existsSync(stateFile));
    assert.equal(bench.count("FifoKeeperLost"), 1, "one that we end ourselves is not lost");
  });

  it("is found again by the next daemon", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const keeper = await keeperWith(bench, await bench.stream("found-again"));
    await daemon.kill(daemon.mainPid, daemon.pumpPid);
    await daemon.start();
    // A change makes it look at what it found; the one that comes then is the next.
    const next = await bench.stream("next");
    await waitFor("the next keeper", () => {
      const pid = fifoKeeperOf(bench.tableDirectory);
      return pid !== keeper && pid !== undefined && keptBy(bench).length === 2;
    });
    await waitFor("the end of the one before", () => !isRunning(keeper));
    assert.equal(bench.count("FifoKeeperLost"), 0);
    await next.close();
  });

  it("stays after an orderly stop only for writers, and ends with the next", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const left = await bench.stream("left");
    const held = await bench.stream("held");
    bench.say(left, "said before\n");
    const writer = await startWriter(held.pipe, "O_WRONLY");
    const before = await keeperWith(bench, left, held);
    assert.equal(await daemon.stop(), 0);
    assert.ok(!isRunning(before));
    const keeper = fifoKeeperOf(bench.tableDirectory);
    assert.deepEqual(keptBy(bench), [statSync(held.pipe).ino], "the other has no writer");
    await sayLastWords(writer);
    await daemon.start();
    await waitFor("the log", () => readFileSync(held.file, "utf8") === "last words\n");
    assert.equal(await daemon.stop(), 0);
    assert.ok(keeper !== undefined && !isRunning(keeper));
    assert.equal(fifoKeeperOf(bench.tableDirectory), undefined, "nobody writes any more");
  });

  it("lets no writer feel that the daemon is gone for a while", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const handle = await bench.stream("steady");
    await keeperWith(bench, handle);
    const writer = openSync(handle.pipe, constants.O_WRONLY);
    try {
      await daemon.kill(daemon.mainPid, daemon.pumpPid);
      writeSync(writer, "while it was dead\n");
      await daemon.start();
      assert.equal(await daemon.stop(), 0);
      writeSync(writer, "while it was stopped\n");
      await daemon.start();
    } finally {
      closeSync(writer);
    }
    const words = "while it was dead\nwhile it was stopped\n";
    await waitFor("the log", () => readFileSync(handle.file, "utf8") === words);
  });

  it("goes with the last run of a directory", async () => {
    await using directory = testDirectory();
    const table = join(directory.path, "state/table");
    const go = join(directory.path, "go");
    const command = ["sh", "-c", 'until [ -e "$1" ]; do sleep 0.01; done', "sh", go];
    const run = spawnXenlog(["run", "--dir", directory.path, "--name", "a", "--", ...command]);
    const keeper = await waitFor("a keeper", () => fifoKeeperOf(table));
    writeFileSync(go, "");
    assert.equal((await run.exited).code, 0);
    assert.ok(!isRunning(keeper));
    assert.equal(fifoKeeperOf(table), undefined);
  });
});
