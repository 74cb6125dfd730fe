// SPDX-License-Identifier: Apache-2.0
// A FIFO with bytes, without nodes and without a writer: read to its end, and then closed.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeSync } from "node:fs";
import { describe, it } from "node:test";
import { closeLogfile } from "../../../src/toolstack/index.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench } from "./fixture.ts";

describe("a stream whose nodes and writer went while its pump was dead", { concurrency: 2 }, () => {
  // contract: C73
  it("is closed when its last words are in the log", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const handle = await bench.stream("last-words");
    const writer = bench.writer(handle);
    const pump = await bench.freezePump();
    writeSync(writer, "last words\n");
    bench.closeWriter(writer);
    await handle.close();
    await waitFor("closing", async () => {
      const [stream] = await daemon.control.streams({ all: false });
      return stream?.state === "closing";
    });
    await daemon.kill(pump);
    await waitFor("the end", async () => {
      return (await daemon.control.streams({ all: false })).length === 0;
    });
    assert.equal(readFileSync(handle.file, "utf8"), "last words\n");
    assert.ok(!existsSync(handle.pipe));
  });

  it("or while it waited for its file is closed with what was written", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const old = await bench.stream("old");
    bench.writer(old);
    await old.close();
    const next = await bench.stream("next", { file: old.file, wait: false });
    await waitFor("both", async () => {
      return (await daemon.control.streams({ all: false })).length === 2;
    });
    bench.say(next, "written meanwhile\n");
    await closeLogfile({ xenstore: await daemon.xenstore(), key: next.key });
    const closed = await waitFor("its end", async () => {
      const streams = await daemon.control.streams({ all: true });
      return streams.find(({ pipe, state }) => pipe === next.pipe && state === "closed");
    });
    assert.equal(closed.writtenBytes, "written meanwhile\n".length);
    assert.equal(readFileSync(old.file, "utf8"), "written meanwhile\n");
    assert.ok(!existsSync(next.pipe));
  });
});
