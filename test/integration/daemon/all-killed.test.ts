// SPDX-License-Identifier: Apache-2.0
// Everything of ours killed at once where no service manager stores descriptors: what is lost then is
// what was in a stage, it is said, and all goes on.

import assert from "node:assert/strict";
import { readFileSync, writeSync } from "node:fs";
import { basename, dirname } from "node:path";
import { describe, it } from "node:test";
import { Fifo } from "../../../src/fifo/index.ts";
import { wholeLog } from "../../support/chain.ts";
import type { LoggedEvent } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench, noFlood } from "./fixture.ts";

describe("main, pump and vault killed at once", { concurrency: 2 }, () => {
  it("lose what a stage held, say so, and lose nothing else", {
    skip: noFlood,
  }, async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const flood = await bench.flood("all-killed");
    const pump = await bench.freezePumpWithBytes();
    const staged = bench.stagedBytes();
    const bytes = await flood.stop();
    const vaults = bench.vaultProcesses().map(({ process: { pid } }) => pid);
    await daemon.kill(daemon.mainPid, pump, ...vaults);
    await daemon.start();
    await waitFor("what the FIFO held", async () => {
      const [stream] = await daemon.control.streams({ all: false });
      return stream?.writtenBytes === bytes - staged && stream;
    });
    const [said, ...others] = daemon.events.filter(({ msg }) => msg === "StageLost");
    assert.equal(others.length, 0);
    assert.equal(said?.["level"], "error");
    const [stream] = await daemon.control.streams({ all: false });
    // A pump that was stopped while the kernel moved the bytes has not been told how many came.
    const isExact = said["certainty"] === "exact";
    if (isExact) assert.equal(said.bytes, staged);
    else assert.ok((said.bytes ?? 0) >= staged, `up to ${said.bytes}`);
    assert.equal(stream?.droppedBytes["crash"] ?? 0, isExact ? staged : 0);
    const amount = isExact ? `${staged}` : `up to ${said.bytes}`;
    const marker = `[xenlogd: ${amount} bytes lost, the daemon and its vault`;
    assert.ok(wholeLog(flood.file).includes(marker), "in the log, too");
    const lost = daemon.events.filter(({ msg }) => msg === "StagesLost");
    assert.deepEqual(
      lost.map(({ level }) => level),
      ["warn"],
    );
  });

  it("lose nothing when the stages are empty, and no line of the log is an error", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const handle = await bench.stream("all-killed-idle");
    const writer = bench.writer(handle);
    writeSync(writer, "before\n");
    await waitFor("the line", () => readFileSync(handle.file, "utf8") === "before\n");
    const vaults = bench.vaultProcesses().map(({ process: { pid } }) => pid);
    await daemon.kill(daemon.mainPid, daemon.pumpPid, ...vaults);
    writeSync(writer, "meanwhile\n");
    await daemon.start();
    await waitFor("the rest", () => readFileSync(handle.file, "utf8") === "before\nmeanwhile\n");
    assert.equal(bench.count("StagesLost"), 1);
    assert.deepEqual(
      daemon.events.filter(({ level }) => level === "error"),
      [],
    );
  });
});

describe("a FIFO that no process has open any more", () => {
  it("is said in its log, once, and in no other", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const [kept, lost] = [await bench.stream("kept"), await bench.stream("lost")];
    const writer = bench.writer(kept);
    await bench.freezePump();
    process.kill(daemon.mainPid, "SIGSTOP");
    writeSync(writer, "kept\n");
    bench.say(lost, "lost\n");
    await killAll(bench);
    await daemon.start();
    await waitFor("the marker", () => readFileSync(lost.file, "utf8").endsWith("Z]\n"));
    const marker = readFileSync(lost.file, "utf8");
    assert.match(marker, /^\[xenlogd: an unknown number of bytes lost, 0 or what the FIFO held: /);
    await waitFor("what was kept", () => readFileSync(kept.file, "utf8") === "kept\n");
    assert.deepEqual(lostKeys(daemon.events), ["2/1"]);
    const [, { droppedBytes } = assert.fail()] = await daemon.control.streams({ all: false });
    assert.deepEqual(droppedBytes, {}, "nobody knows how many");

    // The next pump gets the stream with the same loss; the next daemon finds the FIFO open.
    await bench.untilNextPump(() => daemon.kill(daemon.pumpPid));
    await daemon.kill(daemon.mainPid, daemon.pumpPid);
    await daemon.start();
    bench.say(lost, "more\n");
    await waitFor("what comes", () => readFileSync(lost.file, "utf8") === `${marker}more\n`);

    // An orderly stop lets go of FIFOs that are empty and have no writer.
    assert.equal(await daemon.stop(), 0);
    bench.closeWriter(writer);
    for (const { process: vault } of bench.vaultProcesses()) {
      // With its sleep, which has all of its descriptors.
      process.kill(-vault.pid, "SIGKILL");
    }
    const fifo = Fifo.find(dirname(kept.pipe), basename(kept.pipe));
    await waitFor("no end of it", () => !fifo.hasReader());
    fifo.close();
    await daemon.start();
    assert.deepEqual(lostKeys(daemon.events), ["2/1", "1/1"]);
    assert.equal(readFileSync(lost.file, "utf8"), `${marker}more\n`);
  });
});

async function killAll(bench: Bench): Promise<void> {
  const { mainPid, pumpPid } = bench.daemon;
  const vaults = bench.vaultProcesses().map(({ process: { pid } }) => pid);
  await bench.daemon.kill(mainPid, pumpPid, ...vaults);
}

function lostKeys(events: readonly LoggedEvent[]): readonly unknown[] {
  return events.filter(({ msg }) => msg === "FifoLost").map(({ key }) => key);
}
