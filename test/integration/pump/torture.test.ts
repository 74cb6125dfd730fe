// SPDX-License-Identifier: Apache-2.0
// Exactly once, to a sceptic: SIGKILL at random instants of main, pump, both, the vault, and all of
// them, under the flood of several streams that rotate all the time. What is in no file is said to
// the byte. `npm run test:torture` runs a thousand kills.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { TestDaemon, vaultProcessesIn } from "../../support/daemon.ts";
import { Flooded, noFlood } from "../../support/flooded.ts";
import { randomFrom, tortureSeed } from "../../support/random.ts";
import { waitFor } from "../../support/wait.ts";

const kills = Number(process.env["XENLOGD_TORTURE_KILLS"] ?? 20);
const positions = Number(process.env["XENLOGD_TORTURE_POSITIONS"] ?? 2000);
const bound = { limitBytes: 65_536, copies: 24 };
/** Who is killed, round after round. */
const victims = ["pump", "both", "vault", "main", "all"] as const;

describe("a flood of four streams", () => {
  // contract: C100
  it(`is whole, or lacks what is said, after ${kills} SIGKILLs`, { skip: noFlood }, async (t) => {
    const seed = tortureSeed();
    const random = randomFrom(seed);
    await using daemon = await TestDaemon.start();
    const names = ["one", "two", "three", "four"];
    const pipeBytes = [65_536, 1 << 20, 65_536, 1 << 20];
    const streams = await Promise.all(
      names.map((name, index) =>
        Flooded.start(daemon, { name, ...bound, pipeBytes: pipeBytes[index] ?? 65_536 }),
      ),
    );
    const started = performance.now();
    const tally: Record<string, number> = {};
    let [sent, lost, inStage] = [0, 0, 0];
    try {
      for (let round = 0; round < kills; round += 1) {
        const victim = victims[round % victims.length] ?? "all";
        const where = `kill ${round} (${victim}), seed ${seed}`;
        for (const stream of streams) stream.resume();
        await delay(2 + random() * 40);
        const recovered = count(daemon, "StageRecovered");
        const before = streams.map(({ accepted }) => accepted);
        await kill(daemon, victim);
        await waitFor(`${where}: bytes again`, () =>
          streams.every(({ accepted }, index) => accepted > (before[index] ?? 0) + 300_000),
        );
        for (const stream of streams) stream.pause();
        const checked = await Promise.all(streams.map((stream) => stream.check(where)));
        const lostNow = checked.reduce((sum, one) => sum + one.lost, 0);
        if (victim !== "all") assert.equal(lostNow, lost, `${where}: something is left`);
        if (count(daemon, "StageRecovered") > recovered) inStage += 1;
        tally[victim] = (tally[victim] ?? 0) + 1;
        lost = lostNow;
        sent = checked.reduce((sum, one) => sum + one.sent, 0);
      }
      let present = 0;
      for (const stream of streams) {
        const { offset } = await reportOf(daemon, stream.name);
        const share = Math.ceil(positions / streams.length);
        present += stream.checkPositions(share, random, offset).present;
      }
      const gaps = streams.flatMap((stream) => stream.gaps);
      const bounds = gaps.filter(({ certainty }) => certainty === "atMost").length;
      t.diagnostic(
        `${kills} kills ${JSON.stringify(tally)}, ${inStage} with bytes in a stage, ` +
          `${(sent / 1e9).toFixed(2)} GB, ${lost} bytes lost and said in ${gaps.length} gaps, ` +
          `${bounds} of them as an upper bound, ` +
          `${positions} positions (${present} on disk), ` +
          `${Math.round((performance.now() - started) / 1000)} s, seed ${seed}`,
      );
      assert.ok(inStage > 0 && present > 0);
      for (const stream of streams) {
        const { droppedBytes } = await reportOf(daemon, stream.name);
        const counted = stream.gaps.filter(({ certainty }) => certainty === "exact");
        const exact = counted.reduce((sum, gap) => sum + gap.said, 0);
        assert.equal(droppedBytes["crash"] ?? 0, exact, `${stream.name}: counted as well`);
      }
    } finally {
      await Promise.all(streams.map((stream) => stream.end()));
    }
  });
});

async function reportOf(daemon: TestDaemon, name: string) {
  const streams = await daemon.control.streams({ all: false });
  const stream = streams.find((one) => one.name === name);
  assert.ok(stream, name);
  return stream;
}

function count(daemon: TestDaemon, msg: string): number {
  return daemon.events.filter((event) => event.msg === msg).length;
}

/** Pids of the detached processes that keep descriptors. */
function vaults(daemon: TestDaemon): readonly number[] {
  return vaultProcessesIn(daemon.tableDirectory).map((vault) => vault.process.pid);
}

async function kill(daemon: TestDaemon, victim: (typeof victims)[number]): Promise<void> {
  const [pumps, replaced] = [count(daemon, "PumpStarted"), count(daemon, "VaultProcessReplaced")];
  if (victim === "vault") {
    await daemon.kill(...vaults(daemon));
    await waitFor("another vault", () => count(daemon, "VaultProcessReplaced") > replaced);
    return;
  }
  const main = daemon.mainPid;
  if (victim === "pump") await daemon.kill(daemon.pumpPid);
  if (victim === "main") await daemon.kill(main);
  if (victim === "both") await daemon.kill(main, daemon.pumpPid);
  if (victim === "all") await daemon.kill(main, daemon.pumpPid, ...vaults(daemon));
  if (victim !== "pump") await daemon.start();
  await waitFor("the next pump", () => count(daemon, "PumpStarted") > pumps);
}
