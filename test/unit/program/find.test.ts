// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { it } from "node:test";
import { findProcess } from "../../../src/program/index.ts";

it("finds a process by the end of its command line, and no other", async () => {
  const seconds = `1000.${process.pid}`;
  const child = spawn("sleep", ["1000", seconds], { stdio: "ignore" });
  await once(child, "spawn");
  try {
    assert.equal(findProcess(["1000", seconds])?.pid, child.pid);
    assert.equal(findProcess([seconds])?.pid, child.pid);
    assert.equal(findProcess(["1000"]), undefined, "in the middle");
    assert.equal(findProcess(["0", seconds]), undefined, "part of an argument");
  } finally {
    child.kill("SIGKILL");
  }
  await once(child, "exit");
  assert.equal(findProcess([seconds]), undefined);
});
