// SPDX-License-Identifier: Apache-2.0
// A pump that may open no more files: what it has goes on.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeSync } from "node:fs";
import { describe, it } from "node:test";
import { waitFor } from "../../support/wait.ts";
import { Bench } from "./fixture.ts";

const { error } = spawnSync("prlimit", ["--version"]);
const skip = error === undefined ? false : "prlimit of util-linux is not here";

describe("a pump without a free descriptor", { skip }, () => {
  it("refuses a new stream, and its neighbours go on", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const pump = daemon.pumpPid;
    const neighbour = await bench.stream("neighbour");
    const writer = bench.writer(neighbour);
    writeSync(writer, "before\n");
    await waitFor("a line", () => readFileSync(neighbour.file, "utf8") === "before\n");
    const limit = softLimit(pump);
    let lines = "before\n";
    // With each descriptor more the opening comes one step further.
    for (let spare = 0; ; spare += 1) {
      setSoftLimit(pump, limitWith(pump, spare));
      const outcome = await bench.stream(`new${spare}`).catch((error: unknown) => error);
      writeSync(writer, `beside ${spare}\n`);
      lines += `beside ${spare}\n`;
      await waitFor("the next line", () => readFileSync(neighbour.file, "utf8") === lines);
      if (!(outcome instanceof Error)) {
        assert.ok(spare >= 4, "a stream needs that many");
        break;
      }
      assert.match(outcome.message, /too many open files/);
    }
    setSoftLimit(pump, limit);
    const accepted = await bench.stream("accepted");
    bench.say(accepted, "well\n");
    await waitFor("its line", () => readFileSync(accepted.file, "utf8") === "well\n");
    assert.equal(daemon.pumpPid, pump);
    assert.equal(bench.count("PumpEnded"), 0);
  });
});

/** The limit that leaves so many descriptors to be opened. */
function limitWith(pid: number, spare: number): number {
  const used = new Set(readdirSync(`/proc/${pid}/fd`));
  let limit = 0;
  for (let free = -1; free < spare; limit += 1) if (!used.has(String(limit))) free += 1;
  return limit - 1;
}

function softLimit(pid: number): number {
  const limits = readFileSync(`/proc/${pid}/limits`, "latin1");
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]);
}

function setSoftLimit(pid: number, files: number): void {
  execFileSync("prlimit", ["--pid", String(pid), `--nofile=${files}:`]);
}
