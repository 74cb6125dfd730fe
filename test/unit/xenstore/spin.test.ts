// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { availableParallelism, loadavg } from "node:os";
import { mock, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { openConversation } from "../../../src/xenstore/server/spin.ts";
import { waitFor } from "../../support/wait.ts";

test("a client that asks at once is waited for awake, one that pauses is not", async (t) => {
  const rounds = mock.method(globalThis, "setImmediate");
  t.after(() => rounds.mock.restore());
  const slow = openConversation();
  for (let request = 0; request < 3; request += 1) {
    slow.asked();
    slow.answered();
    await delay(2);
  }
  assert.equal(rounds.mock.callCount(), 0);
  const [load = 0] = loadavg();
  if (availableParallelism() === 1 || load > availableParallelism()) {
    t.diagnostic("no core to spare: there is nothing to be seen");
    return;
  }
  const quick = openConversation();
  await waitFor("a request that follows at once", () => {
    quick.answered();
    quick.asked();
    quick.answered();
    return rounds.mock.callCount() > 0;
  });
  // And asleep again, all by itself.
  let before = -1;
  await waitFor("no more rounds", async () => {
    const isStill = rounds.mock.callCount() === before;
    before = rounds.mock.callCount();
    await delay(2);
    return isStill;
  });
});

test("clients that ask in turn are not waited for awake", async (t) => {
  const rounds = mock.method(globalThis, "setImmediate");
  t.after(() => rounds.mock.restore());
  const clients = [openConversation(), openConversation()];
  const untilMs = performance.now() + 50;
  while (performance.now() < untilMs) {
    for (const client of clients) {
      client.asked();
      client.answered();
    }
  }
  assert.equal(rounds.mock.callCount(), 0);
});
