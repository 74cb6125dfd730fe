// SPDX-License-Identifier: Apache-2.0
// A FIFO is in the vault before `ready` is written: main and pump are killed at once when a toolstack
// has its answer, and a writer that wrote and left then has lost nothing.
//
// XENLOGD_READY_ROUNDS=200 XENLOGD_READY_STREAMS=1,100,1000 is the long form.

import assert from "node:assert/strict";
import { closeSync, readFileSync, writeSync } from "node:fs";
import { describe, it } from "node:test";
import { isRunning } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench } from "../daemon/fixture.ts";

const rounds = Number(process.env["XENLOGD_READY_ROUNDS"] ?? 3);
const streams = (process.env["XENLOGD_READY_STREAMS"] ?? "1,100").split(",").map(Number);
/** Less than a FIFO holds. */
const words = `${"x".repeat(39_999)}\n`;
const createdAtOnce = 8;

for (const count of streams) {
  describe(`main and pump killed within 1 ms of ready, with ${count} streams`, () => {
    it(`lose nothing in ${rounds} rounds`, { timeout: 3_600_000 }, async (t) => {
      await using bench = await Bench.start();
      const { daemon } = bench;
      await fill(bench, count - 1);
      const latest: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const pids = [daemon.mainPid, daemon.pumpPid] as const;
        const handle = await bench.stream(`ready-${round}`);
        const begun = performance.now();
        // The writer comes and goes while both stand still, so that no pump has read it before the kill.
        for (const pid of pids) process.kill(pid, "SIGSTOP");
        latest.push(performance.now() - begun);
        const writer = handle.open();
        writeSync(writer, words);
        closeSync(writer);
        for (const pid of pids) process.kill(pid, "SIGKILL");
        await waitFor("their end", () => !pids.some(isRunning));
        await daemon.start();
        await waitFor(`round ${round}: the log`, () => readFileSync(handle.file, "utf8") === words);
        await handle.close();
      }
      t.diagnostic(`stopped ${Math.max(...latest).toFixed(2)} ms after ready at the latest`);
      assert.equal(bench.count("StageLost") + bench.count("StagesLost"), 0);
    });
  });
}

async function fill(bench: Bench, count: number): Promise<void> {
  for (let next = 0; next < count; next += createdAtOnce) {
    const some = Math.min(createdAtOnce, count - next);
    await Promise.all(Array.from({ length: some }, (_, index) => bench.stream(`s${next + index}`)));
  }
}
