// SPDX-License-Identifier: Apache-2.0
// FIFOs in the detached process: what writers feel, and leave behind, while main and pump are dead; and
// when that process starts, changes and ends.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { LogfileHandle } from "../../../src/toolstack/index.ts";
import { spawnXenlog, testDirectory } from "../../support/cli.ts";
import { endsKeptBy, isRunning, vaultPidIn, vaultProcessesIn } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench } from "../daemon/fixture.ts";

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

/** Waits until the detached process has so many FIFO ends. */
async function vaultWith(bench: Bench, ends: number): Promise<number> {
  return await waitFor(`a vault of ${ends} FIFOs`, () => {
    const pid = vaultPidIn(bench.tableDirectory);
    return pid !== undefined && endsKeptBy(pid) === ends && pid;
  });
}

describe("the FIFOs in the vault", { concurrency: 2 }, () => {
  for (const opening of ["O_RDWR", "O_WRONLY"] as const) {
    // contract: C75
    it(`keep the last words of an ${opening} writer while main and pump are dead`, async () => {
      await using bench = await Bench.start();
      const { daemon } = bench;
      const handle = await bench.stream("orphan");
      const writer = await startWriter(handle.pipe, opening);
      await daemon.kill(daemon.mainPid, daemon.pumpPid);
      await sayLastWords(writer);
      await daemon.start();
      await waitFor("the log", () => readFileSync(handle.file, "utf8") === "last words\n");
    });
  }

  it("are in another process when the streams change, and when it is killed", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const handles = await Promise.all(["one", "two", "three"].map((name) => bench.stream(name)));
    const [one, two, three] = handles as [LogfileHandle, LogfileHandle, LogfileHandle];
    const first = vaultPidIn(bench.tableDirectory) ?? assert.fail("no process");
    assert.equal(endsKeptBy(first), 3, "before `ready`");
    await two.close();
    const second = await vaultWith(bench, 2);
    await waitFor("the end of the one before", () => !isRunning(first));
    assert.equal(bench.count("VaultProcessLost"), 0, "one that main ends itself is not lost");
    await daemon.kill(second);
    await vaultWith(bench, 2);
    await waitFor("the event", () => bench.count("VaultProcessReplaced") > 0);
    await one.close();
    await three.close();
    await vaultWith(bench, 0);
    assert.equal(bench.count("VaultProcessLost"), 1);
  });

  it("are in a process of the next daemon before that of the one before ends", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    await bench.stream("found-again");
    const before = await vaultWith(bench, 1);
    await daemon.kill(daemon.mainPid, daemon.pumpPid);
    assert.ok(isRunning(before));
    await daemon.start();
    assert.notEqual(await vaultWith(bench, 1), before);
    await waitFor("the end of the one before", () => !isRunning(before));
    assert.equal(bench.count("VaultProcessLost"), 0);
  });

  it("stay after an orderly stop only for writers, and the process ends with the next", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const left = await bench.stream("left");
    const held = await bench.stream("held");
    bench.say(left, "said before\n");
    const writer = await startWriter(held.pipe, "O_WRONLY");
    const before = await vaultWith(bench, 2);
    assert.equal(await daemon.stop(), 0);
    assert.ok(!isRunning(before));
    const kept = await vaultWith(bench, 1);
    assert.deepEqual(vaultProcessesIn(bench.tableDirectory)[0]?.stages, [], "they are empty");
    await sayLastWords(writer);
    await daemon.start();
    await waitFor("the log", () => readFileSync(held.file, "utf8") === "last words\n");
    assert.equal(await daemon.stop(), 0);
    assert.ok(!isRunning(kept));
    assert.deepEqual(vaultProcessesIn(bench.tableDirectory), [], "no process has it open any more");
  });

  it("lets no writer feel that the daemon is gone for a while", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const handle = await bench.stream("steady");
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
    const vault = await waitFor("a vault", () => vaultPidIn(table));
    writeFileSync(go, "");
    assert.equal((await run.exited).code, 0);
    assert.ok(!isRunning(vault));
    assert.deepEqual(vaultProcessesIn(table), []);
  });
});
