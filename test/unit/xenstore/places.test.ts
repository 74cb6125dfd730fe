// SPDX-License-Identifier: Apache-2.0
// Where the server is looked for, and how long until the next try.

import assert from "node:assert/strict";
import { test } from "node:test";
import { retryDelayMs, waitToRetry } from "../../../src/xenstore/backoff.ts";
import { findXenstoreSocket } from "../../../src/xenstore/locate.ts";

test("the environment names the socket as it does for libxenstore", () => {
  assert.equal(findXenstoreSocket({ XENSTORED_PATH: "/p", XENSTORED_RUNDIR: "/r" }), "/p");
  assert.equal(findXenstoreSocket({ XENSTORED_RUNDIR: "/r" }), "/r/socket");
  const usual = ["/run/xenstored/socket", "/var/run/xenstored/socket"];
  assert.ok(usual.includes(findXenstoreSocket({})));
  assert.ok(usual.includes(findXenstoreSocket({ XENSTORED_PATH: "", XENSTORED_RUNDIR: "" })));
});

test("delays double up to their bound and are half random", () => {
  const backoff = { firstMs: 10, maxMs: 100 };
  const least = [0, 1, 2, 3, 4, 1000].map((retry) => retryDelayMs(backoff, retry, 0));
  const most = [0, 1, 2, 3, 4, 1000].map((retry) => retryDelayMs(backoff, retry, 1));
  assert.deepEqual(least, [5, 10, 20, 40, 50, 50]);
  assert.deepEqual(most, [10, 20, 40, 80, 100, 100]);
});

test("an abort ends the wait with its reason", async () => {
  const controller = new AbortController();
  const waiting = waitToRetry({ firstMs: 60_000, maxMs: 60_000 }, 0, controller.signal);
  controller.abort(new Error("enough"));
  await assert.rejects(waiting, { message: "enough" });
});
