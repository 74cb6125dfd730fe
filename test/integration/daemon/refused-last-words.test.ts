// SPDX-License-Identifier: Apache-2.0
// A flood of last words that meets a full disk between two moves of one turn of the event loop.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { bytesReadable } from "../../../src/kernel/index.ts";
import { compileC } from "../../support/programs.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench, noFlood, noMount } from "./fixture.ts";

/** What a stage and the flood's FIFO hold. */
const pipeBytes = 1 << 20;

it("last words that a disk refuses at once after others are all in the log", {
  skip: noMount || noFlood,
}, async () => {
  const flood = await compileC("test/support/programs/flood.c");
  const verify = await compileC("test/support/programs/verify.c");
  assert.ok(flood.found && verify.found);
  await using bench = Bench.prepare();
  const disk = bench.mount("log", "size=32m");
  const { daemon } = bench;
  await daemon.start();
  const handle = await bench.stream("refused-words", { limitBytes: 64 << 20 });
  const writer = bench.writer(handle);
  const pump = await bench.freezePump();
  await handle.close();
  await waitFor("closing", async () => {
    const [stream] = await daemon.control.streams({ all: false });
    return stream?.state === "closing";
  });
  // Room for one stage full and a little more.
  disk.fill();
  const filler = join(disk.path, ".filler");
  truncateSync(filler, statSync(filler).size - pipeBytes - (64 << 10));
  const witness = join(daemon.directory, "witness");
  const child = spawn(flood.path, ["-p", String(pipeBytes), "-w", witness, handle.pipe, "0"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  await waitFor("a full FIFO", () => bytesReadable(writer) >= pipeBytes - 65_536);
  process.kill(pump, "SIGCONT");
  await waitFor("a stall", () => bench.count("StreamStalled") > 0);
  await waitFor("a full FIFO again", () => bytesReadable(writer) >= pipeBytes - 65_536);
  child.kill("SIGTERM");
  await once(child, "exit");
  const bytes = Number(readFileSync(witness).readBigUInt64LE(0));
  bench.closeWriter(writer);
  disk.free();
  await waitFor("its end", () => bench.count("StreamClosed") > 0);
  const result = spawnSync(verify.path, [handle.file], { encoding: "utf8" });
  const { ok, start, end } = JSON.parse(result.stdout) as Record<string, unknown>;
  assert.deepEqual({ ok, start, end }, { ok: true, start: 0, end: bytes }, result.stdout);
});
