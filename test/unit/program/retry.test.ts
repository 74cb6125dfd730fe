// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { pause, spreadPauseMs } from "../../../src/program/portable/index.ts";

test("pauses double up to their maximum and are half random", () => {
  const backoff = { firstMs: 10, maxMs: 100 };
  const least = [0, 1, 2, 3, 4, 1000].map((retry) => spreadPauseMs(backoff, retry, 0));
  const most = [0, 1, 2, 3, 4, 1000].map((retry) => spreadPauseMs(backoff, retry, 1));
  assert.deepEqual(least, [5, 10, 20, 40, 50, 50]);
  assert.deepEqual(most, [10, 20, 40, 80, 100, 100]);
});

test("an abort ends the pause with its reason", async () => {
  const controller = new AbortController();
  const waiting = pause(60_000, controller.signal);
  controller.abort(new Error("enough"));
  await assert.rejects(waiting, { message: "enough" });
});
