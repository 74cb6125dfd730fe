// SPDX-License-Identifier: Apache-2.0
// A FIFO is in the vault before `ready` is written: main and pump are killed at once when a toolstack
// has its answer, and a writer that wrote and left then has lost nothing.
//
// XENLOGD_READY_ROUNDS=200 XENLOGD_READY_STREAMS=1,100,1000 is the long form.

import assert from "node:assert/strict";
import { closeSync, readFileSync, writeSync } from "node:fs";
import { describe, it } from "node:test";
import { introduceDomain, type LogfileHandle } from "../../../src/toolstack/index.ts";
import { isRunning } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench } from "../daemon/fixture.ts";

const rounds = Number(process.env["XENLOGD_READY_ROUNDS"] ?? 3);
const streams = (process.env["XENLOGD_READY_STREAMS"] ?? "1,100").split(",").map(Number);
/** Less than a FIFO holds. */
const words = `${"x".repeat(39_999)}\n`;
const createdAtOnce = 8;
const logMsMax = 60_000;

for (const count of streams) {
  describe(`main and pump killed within 1 ms of ready, with ${count} streams`, () => {
    it(`lose nothing in ${rounds} rounds`, { timeout: 3_600_000 }, async (t) => {
      await using bench = await Bench.start();
      const others = await fill(bench, count - 1);
      const domid = await introduceDomain(await bench.daemon.xenstore(), "killed");
      const stopMs: number[] = [];
      const restartMs: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const pids = [bench.daemon.mainPid, bench.daemon.pumpPid];
        const handle = await bench.stream(`ready-${round}`, { domid });
        stopMs.push(await writeAndKill(handle, pids));
        const begun = performance.now();
        await bench.daemon.start();
        await waitForLog(handle, words);
        restartMs.push(performance.now() - begun);
        await handle.close();
      }
      t.diagnostic(`stopped at most ${Math.max(...stopMs).toFixed(2)} ms after ready`);
      t.diagnostic(`logged at most ${Math.max(...restartMs).toFixed(0)} ms after the restart`);
      for (const other of others) bench.say(other, `${other.file} still logs\n`);
      for (const other of others) await waitForLog(other, `${other.file} still logs\n`);
      assert.equal(
        bench.count("StageLost") + bench.count("StagesLost") + bench.count("FifoLost"),
        0,
      );
    });
  });
}

/** The writer comes and goes while main and pump stand still, so that neither has read it. */
async function writeAndKill(handle: LogfileHandle, pids: readonly number[]): Promise<number> {
  const ready = performance.now();
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  const stopMs = performance.now() - ready;
  const writer = handle.open();
  writeSync(writer, words);
  closeSync(writer);
  for (const pid of pids) process.kill(pid, "SIGKILL");
  await waitFor("their end", () => !pids.some(isRunning));
  return stopMs;
}

async function waitForLog({ file }: LogfileHandle, text: string): Promise<void> {
  await waitFor(`the log ${file}`, () => readFileSync(file, "utf8") === text, logMsMax);
}

/** A domain for each of those that create at once: a new name is compared with those of all domains. */
async function fill(bench: Bench, count: number): Promise<readonly LogfileHandle[]> {
  const xenstore = await bench.daemon.xenstore();
  const handles: LogfileHandle[] = [];
  let begun = 0;
  const create = async (_: unknown, worker: number): Promise<void> => {
    const domid = await introduceDomain(xenstore, `worker-${worker}`);
    while (begun < count) {
      begun += 1;
      handles.push(await bench.stream(`s${begun}`, { domid }));
    }
  };
  await Promise.all(Array.from({ length: createdAtOnce }, create));
  return handles;
}
