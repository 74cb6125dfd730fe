// SPDX-License-Identifier: Apache-2.0
// SIGKILL of main at random instants of its start leaves processes that no state file names; the next
// orderly start and stop leaves no process and no file.
//
// XENLOGD_START_KILLS=200 is the long form.

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { controlClient } from "../../../src/control/index.ts";
import { leftBehind, processesIn, spawnXenlog, testDirectory } from "../../support/cli.ts";
import { isRunning } from "../../support/daemon.ts";
import { randomFrom, tortureSeed } from "../../support/random.ts";
import { waitFor } from "../../support/wait.ts";

const kills = Number(process.env["XENLOGD_START_KILLS"] ?? 20);
const killsPerStop = 5;

describe("main killed at random instants of its start", () => {
  it(`${kills} times, leaves nothing after an orderly stop`, { timeout: 3_600_000 }, async (t) => {
    await using directory = testDirectory();
    const { path } = directory;
    const seed = tortureSeed();
    const random = randomFrom(seed);
    let found = 0;
    let startMs = await startAndStop(path, `seed ${seed}`);
    for (let kill = 0; kill < kills; kill += 1) {
      const main = start(path);
      await delay(random() * startMs);
      process.kill(main.pid, "SIGKILL");
      await main.exited;
      found += processesIn(path).length;
      if ((kill + 1) % killsPerStop === 0) {
        startMs = await startAndStop(path, `kill ${kill}, seed ${seed}`);
      }
    }
    t.diagnostic(`${found} processes outlived their main, seed ${seed}`);
    assert.ok(found > 0, "no kill came late enough for a process to be left");
  });
});

function start(path: string): ReturnType<typeof spawnXenlog> {
  return spawnXenlog(["--embedded", "--dir", path], { name: "xenlogd" });
}

/** Gives the milliseconds that the start took. */
async function startAndStop(path: string, where: string): Promise<number> {
  const begun = performance.now();
  const main = start(path);
  const control = controlClient(join(path, "run/control.sock"));
  await waitFor(`${where}: a daemon`, async () => {
    const status = await control.status().catch(() => undefined);
    return status?.pid === main.pid;
  });
  const startMs = performance.now() - begun;
  process.kill(main.pid, "SIGTERM");
  const { code, stderr } = await main.exited;
  assert.equal(code, 0, `${where}: ${stderr}`);
  assert.ok(!isRunning(main.pid));
  assert.deepEqual(processesIn(path), [], where);
  assert.deepEqual(leftBehind(path), [], where);
  return startMs;
}
