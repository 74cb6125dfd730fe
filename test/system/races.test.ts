// SPDX-License-Identifier: Apache-2.0
// A toolstack that removes its request while the daemon is about to answer it, on Debian's servers.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { makeFifo } from "../../src/kernel/index.ts";
import type { XenstoreClient } from "../../src/xenstore/index.ts";
import { TestDaemon } from "../support/daemon.ts";
import { waitFor } from "../support/wait.ts";
import { startXenstored, xenstoredParts } from "../support/xenstored.ts";

const races = 1000;
/** Requests under way at once. */
const lanes = 3;

const parts = await xenstoredParts();

describe("a late ready", { skip: parts.found ? false : parts.reason }, () => {
  for (const kind of ["c", "ocaml"] as const) {
    it(`never brings back nodes on ${kind === "c" ? "xenstored" : "oxenstored"}`, async (t) => {
      if (!parts.found) throw new Error(parts.reason);
      const dir = await mkdtemp(join(tmpdir(), "xs-"));
      t.after(() => rm(dir, { recursive: true, force: true }));
      await using xenstored = await startXenstored({ kind, dir, parts });
      await using daemon = TestDaemon.onHost(xenstored.socketPath);
      await daemon.start();
      const xenstore = await daemon.xenstore();
      let answered = 0;
      // Follows the daemon's speed, so that it wins about every second race.
      let windowMs = 20;
      await Promise.all(
        Array.from({ length: lanes }, async (_, lane) => {
          for (let race = lane; race < races; race += lanes) {
            const won = await oneRace(daemon, xenstore, race + 1, windowMs);
            windowMs *= won ? 0.95 : 1.05;
            if (won) answered += 1;
          }
        }),
      );
      await waitFor("a daemon at rest", async () => {
        return (await daemon.control.streams({ all: false })).length === 0;
      });
      assert.deepEqual(await xenstore.directory("/libxl"), []);
      t.diagnostic(`${answered} of ${races} were answered before they were removed`);
      // Both sides have to win now and then, or nothing was raced.
      assert.ok(answered > races / 20 && answered < races * 0.95, `${answered} were answered`);
    });
  }
});

/** True if the answer was there when the nodes went. */
async function oneRace(
  daemon: TestDaemon,
  xenstore: XenstoreClient,
  domid: number,
  windowMs: number,
): Promise<boolean> {
  const base = `/libxl/${domid}/logging/1`;
  const pipe = join(daemon.fifoDirectory, `p${domid}-0123456789abcdef`);
  makeFifo(pipe, 0o600);
  await xenstore.transaction(async (transaction) => {
    await transaction.write(`${base}/pipe`, pipe);
    await transaction.write(`${base}/file`, daemon.logPath(`vm${domid}.log`));
    await transaction.write(`${base}/limit`, "4096");
    await transaction.write(`${base}/copies`, "0");
  });
  // The instant that is raced; nothing is waited for.
  await delay(Math.random() * windowMs);
  return await xenstore.transaction(async (transaction) => {
    const state = await transaction.readIfExists(`${base}/state`);
    await transaction.rm(`/libxl/${domid}`);
    return state !== undefined;
  });
}
