// SPDX-License-Identifier: Apache-2.0
// Two generations of one file, and requests that nobody has answered yet: what a restart finds.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { StreamStatus } from "../../../src/control/index.ts";
import { closeLogfile, type LogfileHandle } from "../../../src/toolstack/index.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench } from "./fixture.ts";

/** A stream in its last words, and the request of the next one for the same file. */
interface Generations {
  readonly old: LogfileHandle;
  readonly oldWriter: number;
  readonly next: LogfileHandle;
}

async function twoGenerations(bench: Bench): Promise<Generations> {
  const old = await bench.stream("old");
  const oldWriter = bench.writer(old);
  writeSync(oldWriter, "old\n");
  await waitFor("the old line", () => readFileSync(old.file, "utf8") === "old\n");
  await old.close();
  const next = await bench.stream("next", { file: old.file, wait: false });
  await waitFor("both", async () => (await statesOf(bench)) === "closing pending");
  return { old, oldWriter, next };
}

async function statesOf(bench: Bench): Promise<string> {
  const streams = await bench.daemon.control.streams({ all: false });
  return streams.map(({ state }) => state).join(" ");
}

/** What xenstore answers to the request. */
async function answerTo(bench: Bench, { key }: LogfileHandle): Promise<string | undefined> {
  const { owner, id } = key;
  assert.ok(owner.kind === "domain");
  const xenstore = await bench.daemon.xenstore();
  return await xenstore.readIfExists(`/libxl/${owner.domid}/logging/${id}/state`);
}

describe("a file's next stream", { concurrency: 2 }, () => {
  for (const when of ["is open", "waits"] as const) {
    it(`that ${when} when the main process is killed logs on`, async () => {
      await using bench = await Bench.start();
      const { daemon } = bench;
      const { old, next } = await twoGenerations(bench);
      const writer = bench.writer(next);
      writeSync(writer, "new\n");
      const ready = async () => (await answerTo(bench, next)) === "ready";
      if (when === "is open") {
        await waitFor("the next one", ready);
        await waitFor("its line", () => readFileSync(old.file, "utf8") === "old\nnew\n");
      }
      await bench.untilNextPump(async () => {
        await daemon.kill(daemon.mainPid);
        await daemon.start();
      });
      await waitFor("an answer", ready);
      writeSync(writer, "after\n");
      await waitFor("the log", () => readFileSync(old.file, "utf8") === "old\nnew\nafter\n");
      assert.equal(bench.count("StreamRefused"), 0);
      assert.match(await statesOf(bench), /\bready\b/);
    });
  }

  it("whose request is removed while it waits is closed, and its FIFO is gone", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const { old, oldWriter, next } = await twoGenerations(bench);
    await closeLogfile({ xenstore: await daemon.xenstore(), key: next.key });
    await waitFor("its end", async () => {
      const streams = await daemon.control.streams({ all: true });
      return streams.some(({ pipe, state }) => pipe === next.pipe && state === "closed");
    });
    assert.ok(!existsSync(next.pipe));
    bench.closeWriter(oldWriter);
    await waitFor("the old one's end", async () => (await statesOf(bench)) === "");
    assert.ok(!existsSync(old.pipe));
    assert.equal(readFileSync(old.file, "utf8"), "old\n");
  });
});

describe("a request that a hung pump keeps waiting", { concurrency: 2 }, () => {
  it("is answered after the main process was killed and the pump is free", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const pump = await bench.freezePump();
    const handle = await bench.stream("kept-waiting", { wait: false });
    const records = join(bench.tableDirectory, "streams");
    await waitFor("its record", () => readdirSync(records).some((name) => /json$/.test(name)));
    await daemon.kill(daemon.mainPid);
    // Ready after its patience with the pump, and after it has read what is in xenstore.
    await daemon.start();
    assert.equal(bench.count("PumpStarted"), 1);
    assert.equal(await answerTo(bench, handle), undefined);
    process.kill(pump, "SIGCONT");
    await waitFor("an answer", async () => (await answerTo(bench, handle)) === "ready");
    writeSync(bench.writer(handle), "logged\n");
    await waitFor("the line", () => readFileSync(handle.file, "utf8") === "logged\n");
    assert.equal(bench.count("StreamRefused"), 0);
  });

  it("and that is refused then ends whoever waits for its stream", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const owner = await bench.stream("owner");
    const pump = await bench.freezePump();
    const refused = assert.rejects(bench.stream("refused", { file: owner.file }), {
      code: "refused",
      message: /is the log of 1\/1 already$/,
    });
    const pending = await waitFor("the request", async (): Promise<StreamStatus | undefined> => {
      const streams = await daemon.control.streams({ all: false });
      return streams.find(({ state }) => state === "pending");
    });
    const closed = daemon.control.waitClosed(pending.epoch, { timeoutMs: 10_000 });
    // A second question, so that the first one is being waited for.
    await daemon.control.status();
    process.kill(pump, "SIGCONT");
    await refused;
    assert.equal(await closed, "unknown");
  });
});
