// SPDX-License-Identifier: Apache-2.0
// Exactly once: a flooding writer, SIGKILL at random instants, and a witness of every byte.

import assert from "node:assert/strict";
import { type ChildProcess, type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { createLogfile, introduceDomain } from "../../../src/toolstack/index.ts";
import { chainOf } from "../../support/chain.ts";
import { TestDaemon } from "../../support/daemon.ts";
import { compileC } from "../../support/programs.ts";
import { randomFrom, tortureSeed } from "../../support/random.ts";
import { waitFor } from "../../support/wait.ts";

const limitBytes = 1 << 20;
/** The window on the log between two checks: more than is written between them. */
const copies = 700;
/** What the writer gives to one write(). */
const writeBytes = 65_536;
/** Who is killed, round after round: main and pump together, the pump, or main. */
const victims = ["both", "pump", "both", "pump", "main"] as const;

const rounds = process.env["XENLOGD_TEST_TARGET"] === "dist" ? 15 : 60;

describe("killed under a flood", () => {
  it(`loses and doubles no byte in ${rounds} SIGKILLs`, async (t) => {
    const flood = await compileC("test/support/programs/flood.c");
    const verify = await compileC("test/support/programs/verify.c");
    if (!flood.found) return t.skip(flood.reason);
    if (!verify.found) return t.skip(verify.reason);
    const seed = tortureSeed();
    const random = randomFrom(seed);
    await using daemon = await TestDaemon.start();
    const xenstore = await daemon.xenstore();
    const domid = await introduceDomain(xenstore, "flooder");
    const file = daemon.logPath("flooder-console.log");
    const handle = await createLogfile({
      xenstore,
      domid,
      file,
      limitBytes,
      copies,
      fifoDirectory: daemon.fifoDirectory,
    });
    const witness = join(daemon.directory, "witness");
    const writer = spawn(
      flood.path,
      ["-b", String(writeBytes), "-p", "1048576", "-w", witness, handle.pipe, "0"],
      {
        stdio: ["ignore", "ignore", "inherit"],
      },
    );
    const started = performance.now();
    let activeMs = 0;
    let inStage = 0;
    try {
      for (let round = 0; round < rounds; round += 1) {
        const before = accepted(witness);
        const begun = performance.now();
        await delay(5 + random() * 60);
        activeMs += performance.now() - begun;
        const recoveries = daemon.events.filter((event) => event.msg === "StageRecovered").length;
        await killOne(daemon, victims[round % victims.length] ?? "both");
        await waitFor("bytes again", () => accepted(witness) > before + (1 << 20));
        const end = await settle(writer, witness, daemon, domid);
        const recovered = daemon.events.filter((event) => event.msg === "StageRecovered").length;
        if (recovered > recoveries) inStage += 1;
        const result: SpawnSyncReturns<string> = spawnSync(verify.path, chainOf(file), {
          encoding: "utf8",
        });
        const seen = JSON.parse(result.stdout) as { start: number; end: number; error: unknown };
        const where = `round ${round}, seed ${seed}`;
        assert.equal(result.status, 0, `${where}: ${result.stdout}`);
        assert.equal(seen.end, end, `${where}: the log's end is its offset`);
        assert.ok(end - accepted(witness) <= writeBytes, `${where}: and where the writer is`);
        assert.ok(seen.start <= before, `${where}: the window reaches back to the last check`);
        writer.kill("SIGCONT");
      }
      const total = accepted(witness);
      t.diagnostic(
        `${rounds} kills, ${inStage} with bytes in a stage, ${(total / 1e9).toFixed(1)} GB, ` +
          `${Math.round(performance.now() - started)} ms, seed ${seed}`,
      );
      assert.ok(inStage * 3 >= rounds, `${inStage} of ${rounds} kills had bytes in a stage`);
      assert.ok(total / 1e3 / activeMs >= 100, `${total / 1e3 / activeMs} MB/s while it flooded`);
    } finally {
      writer.kill("SIGCONT");
      writer.kill("SIGTERM");
      await once(writer, "exit");
    }
    await handle.close();
    await waitFor("the end of the stream", async () => {
      const [stream] = await daemon.control.streams({ all: true });
      return stream?.state === "closed" && stream.writtenBytes === accepted(witness);
    });
  });
});

async function killOne(daemon: TestDaemon, victim: (typeof victims)[number]): Promise<void> {
  const pumps = daemon.events.filter((event) => event.msg === "PumpStarted").length;
  const main = daemon.mainPid;
  if (victim === "both") await daemon.kill(main, daemon.pumpPid);
  else await daemon.kill(victim === "pump" ? daemon.pumpPid : main);
  if (victim !== "pump") await daemon.start();
  await waitFor("the next pump", () => {
    return daemon.events.filter((event) => event.msg === "PumpStarted").length > pumps;
  });
}

/** Stops the writer and waits until the log has all that it wrote. */
async function settle(
  writer: ChildProcess,
  witness: string,
  daemon: TestDaemon,
  domid: number,
): Promise<number> {
  writer.kill("SIGSTOP");
  await waitFor("a writer that stands still", () => {
    const stat = readFileSync(`/proc/${writer.pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
  });
  // Stopped within a write() it has not counted yet what the pipe has taken of that.
  let last = -1;
  return await waitFor("an empty pipe", async () => {
    const streams = await daemon.control.streams({ all: false });
    const offset = streams.find((stream) => stream.domid === domid)?.offset ?? 0;
    const still = offset === last && offset >= accepted(witness);
    last = offset;
    return still && offset;
  });
}

function accepted(witness: string): number {
  try {
    return Number(readFileSync(witness).readBigUInt64LE(0));
  } catch {
    return 0;
  }
}
