// SPDX-License-Identifier: Apache-2.0
// Pumps that are killed while they drop what a full disk refuses: every byte is written or counted.

import assert from "node:assert/strict";
import { readFileSync, writeSync } from "node:fs";
import { describe, it } from "node:test";
import { bytesReadable } from "../../../src/kernel/index.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench, noMount } from "./fixture.ts";

const kills = Number(process.env["XENLOGD_DROP_KILLS"] ?? 4);

describe("a stream whose bytes are dropped", { skip: noMount }, () => {
  it(`has each of them in its log or in a counter, after ${kills} kills of its pump`, async (t) => {
    await using bench = Bench.prepare();
    const disk = bench.mount("log", "size=256k");
    const { daemon } = bench;
    await daemon.start();
    const handle = await bench.stream("killed", { overflow: "drop" });
    const writer = bench.writer(handle);
    let sentBytes = 0;
    const send = (): void => {
      // Bytes that no line of the daemon has.
      sentBytes += writeSync(writer, Buffer.alloc(3000, "~"));
    };
    for (let kill = 0; kill < kills; kill += 1) {
      // Full, and with room again: a pump may die while it stalls, drops, or writes its line.
      if (kill % 4 === 0) disk.fill();
      if (kill % 4 === 3) disk.free();
      for (let count = 0; count < 5; count += 1) send();
      await bench.untilNextPump(() => daemon.kill(daemon.pumpPid));
      for (let count = 0; count < 5; count += 1) send();
    }
    disk.free();
    await waitFor("all", () => bytesReadable(writer) === 0);
    const counted = await waitFor("the counters", async () => {
      const [stream] = await daemon.control.streams({ all: false });
      return stream?.stalled === null && stream;
    });
    const dropped = Object.values(counted.droppedBytes).reduce((sum, bytes) => sum + bytes, 0);
    assert.equal(counted.writtenBytes + dropped, sentBytes);
    assert.ok(dropped > 0 && counted.writtenBytes > 0, "some of each");
    const log = readFileSync(handle.file, "latin1");
    assert.equal(log.split("~").length - 1, counted.writtenBytes);
    const said = [...log.matchAll(/^\[xenlogd: (\d+) bytes dropped, disk full, [^\n]+\]$/gm)];
    assert.equal(
      said.reduce((sum, [, bytes]) => sum + Number(bytes), 0),
      dropped,
    );
    t.diagnostic(`${sentBytes} bytes sent, ${dropped} dropped and said in ${said.length} lines`);
  });
});
