// SPDX-License-Identifier: Apache-2.0
// SIGTERM at bad moments: what a pump has in a stage is written by it or by the next one.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { leftBehind, processesIn, spawnXenlog, testDirectory } from "../../support/cli.ts";
import { isRunning, vaultPidIn, vaultProcessesIn } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench, noFlood, noMount, pumpsOf } from "./fixture.ts";

/** What a main process waits for a pump that hangs, and what all the rest may take. */
const stopMsMax = 10_000 + 3000;

describe("SIGTERM", { concurrency: 2 }, () => {
  it("and a pump that is killed while it stops lose no byte", { skip: noFlood }, async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const flood = await bench.flood("killed-in-stop");
    const pump = await bench.freezePumpWithBytes();
    const bytes = await flood.stop();
    const staged = bench.stagedBytes();
    await bench.beginStop();
    await daemon.kill(pump);
    assert.equal(await daemon.stop(), 0);
    assert.equal(daemon.events.at(-1)?.["strandedBytes"], "unknown");
    assert.equal(bench.stagedBytes(), staged, "the vault has them");
    await daemon.start();
    await bench.assertWhole(flood, bytes);
  });

  it("just after the pump was killed loses no byte", { skip: noFlood }, async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const flood = await bench.flood("killed-before-stop");
    const pump = await bench.freezePumpWithBytes();
    const bytes = await flood.stop();
    process.kill(pump, "SIGKILL");
    assert.equal(await daemon.stop(), 0);
    await daemon.start();
    await bench.assertWhole(flood, bytes);
  });

  it("ends the main process although its pump hangs", { skip: noFlood }, async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const flood = await bench.flood("hung");
    const pump = await bench.freezePumpWithBytes();
    const bytes = await flood.stop();
    const staged = bench.stagedBytes();
    const begun = performance.now();
    assert.equal(await daemon.stop(), 0);
    assert.ok(performance.now() - begun < stopMsMax, `it took ${performance.now() - begun} ms`);
    assert.equal(daemon.events.at(-1)?.["strandedBytes"], "unknown");
    assert.equal(bench.stagedBytes(), staged, "the vault has them");
    await daemon.kill(pump);
    await daemon.start();
    await bench.assertWhole(flood, bytes);
  });

  it("with a disk that has room again writes what was stalled", { skip: noMount }, async () => {
    await using bench = Bench.prepare();
    const disk = bench.mount("log", "size=256k");
    const { daemon } = bench;
    await daemon.start();
    const last = await bench.stream("last-words");
    const other = await bench.stream("other");
    const writers = [bench.writer(last), bench.writer(other)] as const;
    await last.close();
    await waitFor("no nodes", async () => {
      const streams = await daemon.control.streams({ all: false });
      return streams.some(({ state }) => state === "closing");
    });
    disk.fill();
    const words = ["its last words\n".repeat(400), "the other's words\n".repeat(400)] as const;
    writeSync(writers[0], words[0]);
    writeSync(writers[1], words[1]);
    bench.closeWriter(writers[0]);
    await waitFor("both stalled", () => bench.count("StreamStalled") === 2);
    disk.free();
    assert.equal(await daemon.stop(), 0);
    assert.equal(daemon.events.at(-1)?.["strandedBytes"], 0, "its pump has stopped in order");
    assert.equal(readFileSync(last.file, "utf8"), words[0]);
    assert.equal(readFileSync(other.file, "utf8"), words[1]);
    assert.ok(!existsSync(last.pipe), "the one in its last words is closed");
    writeSync(writers[1], "and more\n");
    await daemon.start();
    await waitFor("the rest", () => readFileSync(other.file, "utf8") === `${words[1]}and more\n`);
    assert.equal(readFileSync(last.file, "utf8"), words[0], "not a second time");
  });

  it("comes twice while the pump is drained, and nothing is left behind", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const handle = await bench.stream("twice");
    const writer = bench.writer(handle);
    const [vault] = bench.vaultProcesses();
    const pump = await bench.freezePump();
    writeSync(writer, "to be drained\n");
    await bench.beginStop();
    await bench.beginStop();
    const stopped = daemon.stop();
    process.kill(pump, "SIGCONT");
    assert.equal(await stopped, 0);
    assert.equal(daemon.events.at(-1)?.["strandedBytes"], 0);
    assert.equal(readFileSync(handle.file, "utf8"), "to be drained\n");
    for (const pid of [pump, vault?.process.pid ?? 0]) assert.ok(!isRunning(pid), `${pid}`);
    const kept = vaultPidIn(bench.tableDirectory);
    assert.deepEqual(processesIn(daemon.directory), [kept], "the writer's FIFO is kept");
    const needed = /^(log|run\/fifo|state\/table\/(streams|positions))\//;
    assert.deepEqual(
      leftBehind(daemon.directory)
        .filter((name) => !needed.test(name))
        .sort(),
      ["state/table/vault.json", "state/xenstore.state"],
      "what is needed to go on with the stream",
    );
  });

  const moments: Record<string, (directory: string, mainPid: number) => boolean> = {
    "it has its lock": (directory) => existsSync(join(directory, "run/xenlogd.pid")),
    "it has a vault": (directory) => vaultProcessesIn(join(directory, "state/table")).length > 0,
    "its pump begins": (_directory, mainPid) => pumpsOf(mainPid).length > 0,
    "its store begins": (directory) => existsSync(join(directory, "run/xenstored.sock")),
    "it can be asked": (directory) => existsSync(join(directory, "run/control.sock")),
  };
  for (const [moment, isNow] of Object.entries(moments)) {
    it(`while it starts, when ${moment}, leaves nothing behind`, async () => {
      await using directory = testDirectory();
      const { path } = directory;
      const main = spawnXenlog(["--embedded", "--dir", path], { name: "xenlogd" });
      const seen = new Set<number>();
      const look = (): void => {
        for (const pid of pumpsOf(main.pid)) seen.add(pid);
        for (const vault of vaultProcessesIn(join(path, "state/table")))
          seen.add(vault.process.pid);
      };
      await waitFor(moment, () => {
        look();
        return isNow(path, main.pid);
      });
      process.kill(main.pid, "SIGTERM");
      await waitFor("its end", () => {
        look();
        return !isRunning(main.pid);
      });
      const { code, stderr } = await main.exited;
      assert.equal(code, 0, stderr);
      assert.ok(seen.size >= 2, "a pump and a vault were there");
      assert.deepEqual([...seen].filter(isRunning), []);
      assert.deepEqual(processesIn(path), []);
      assert.deepEqual(leftBehind(path), []);
      assert.deepEqual(vaultProcessesIn(join(path, "state/table")), []);
    });
  }
});
