// SPDX-License-Identifier: Apache-2.0
// What outlives a pump that is killed: the bytes in its stages, those in the FIFOs, and the daemon.

import assert from "node:assert/strict";
import {
  closeSync,
  constants,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { openPath, tryLock } from "../../../src/kernel/index.ts";
import { isRunning } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench, noFlood, pumpsOf } from "./fixture.ts";

describe("a pump that is killed", { concurrency: 2 }, () => {
  it("before it has started keeps no daemon from starting", { skip: noFlood }, async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const flood = await bench.flood("twice-killed");
    const [pump, main] = [await bench.freezePumpWithBytes(), daemon.mainPid];
    const bytes = await flood.stop();
    await daemon.kill(main, pump);
    assert.ok(bench.stagedBytes() > 0);
    // As a predecessor that hangs would: its successor waits for the lock.
    const lock = pumpLockOf(bench);
    await waitFor("the lock", () => tryLock(lock, "exclusive"));
    const ready = daemon.start();
    const next = await waitFor("the next pump", () => {
      return daemon.mainPid !== main && pumpsOf(daemon.mainPid)[0];
    });
    await daemon.kill(next);
    await waitFor("its end being seen", () => bench.count("PumpEnded") > 0);
    closeSync(lock);
    await ready;
    await bench.assertWhole(flood, bytes);
    assert.equal(bench.count("StageRecovered"), 1);
  });

  it("between a writer's last words and their reading loses none of them", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const handle = await bench.stream("last-words");
    const writer = bench.writer(handle);
    const pump = await bench.freezePump();
    writeSync(writer, "last words\n");
    bench.closeWriter(writer);
    await bench.untilNextPump(() => daemon.kill(pump));
    await waitFor("the log", () => readFileSync(handle.file, "utf8") === "last words\n");
  });

  it("beside a log that was truncated from outside is listed with offsets", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const main = daemon.mainPid;
    const file = daemon.logPath("truncated.log");
    // Older than the stream: its first byte has a negative offset.
    writeFileSync(file, "an older line\n".repeat(300));
    const handle = await bench.stream("truncated");
    const writer = bench.writer(handle);
    writeSync(writer, "before\n");
    await waitFor("the line", () => readFileSync(file, "utf8").endsWith("before\n"));
    truncateSync(file, 5);
    await bench.untilNextPump(() => daemon.kill(daemon.pumpPid));
    const starts = bench.count("PumpStarted");
    const stream = await waitFor("a report", async () => {
      const [first] = await daemon.control.streams({ all: false });
      return first?.sizeBytes === 5 && first;
    });
    // Offset 7 is the next one: an offset means one byte, also when that byte is gone.
    assert.deepEqual([stream.offset, stream.writtenBytes], [7, 7]);
    writeSync(writer, "after\n");
    await waitFor("the next line", () => readFileSync(file, "utf8") === "after\n");
    assert.equal(readFileSync(`${file}.1`, "utf8"), "an ol", "what others have left");
    assert.equal(bench.count("PumpStarted"), starts, "the pump was understood");
    assert.ok(isRunning(main) && daemon.mainPid === main);
  });
});

/** The lock that the dead pump had; nobody else has it before a Node.js has started. */
function pumpLockOf(bench: Bench): number {
  const [name] = readdirSync(bench.tableDirectory).filter((entry) => entry.endsWith(".lock"));
  return openPath(join(bench.tableDirectory, name ?? ""), constants.O_RDWR);
}
