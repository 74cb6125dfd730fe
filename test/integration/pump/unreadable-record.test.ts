// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmdirSync } from "node:fs";
import { test } from "node:test";
import { PumpBench } from "../../support/crash/bench.ts";

test("a pump whose predecessor's record cannot be opened leaves the bytes in their stage", () => {
  using bench = new PumpBench({ limitBytes: 4096, copies: 1 });
  bench.write(100);
  bench.pumpOnce({ at: "splice fifo -> stage", when: "after" });
  const record = bench.logPath("../../positions/0000000000000000");
  renameSync(record, `${record}.aside`);
  mkdirSync(record);
  // As a full disk does it: the bench expects that of none.
  assert.throws(() => bench.pumpOnce(), { message: /^nothing is refused[\s\S]*it is a directory/ });
  rmdirSync(record);
  renameSync(`${record}.aside`, record);
  bench.pump();
  bench.check();
});
