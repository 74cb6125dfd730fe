// SPDX-License-Identifier: Apache-2.0
// Parameters that are written again while their stream is served: what xenstore and `list` say of it.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type NodeName, nodePath } from "../../../src/contract/index.ts";
import type { StreamStatus } from "../../../src/control/index.ts";
import type { LogfileHandle } from "../../../src/toolstack/index.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench } from "./fixture.ts";

const badLimit = 'limit is "1"; it must be a whole number of bytes from 4096 to 9007199254740991';

describe("a stream that is ready", { concurrency: 2 }, () => {
  // contract: C41, C48, C53, C89
  it("takes another limit and other copies at once, in its epoch", async () => {
    await using bench = await Bench.start();
    const handle = await bench.stream("changed");
    const before = await onlyStream(bench);
    await write(bench, handle, "limit", "8192");
    await waitFor("the limit", async () => (await onlyStream(bench)).limit === 8192);
    await write(bench, handle, "copies", "3");
    const after = await waitFor("the copies", async () => {
      const stream = await onlyStream(bench);
      return stream.copies === 3 && stream;
    });
    assert.deepEqual(after, { ...before, limit: 8192, copies: 3, boundBytes: 4 * 8192 });
    assert.deepEqual(await answerTo(bench, handle), ["ready", undefined]);
    assert.equal(bench.count("StreamReconfigured"), 2);
  });

  // contract: C49
  it("is not answered again for values that are written as they were", async () => {
    await using bench = await Bench.start();
    const xenstore = await bench.daemon.xenstore();
    const handle = await bench.stream("rewritten");
    const answers = ["state", "error"].map((name) => nodePath(handle.key, name as NodeName));
    await using watch = await xenstore.watch("/libxl");
    for (const [name, value] of [
      ["limit", "1048576"],
      ["copies", "1"],
      ["file", handle.file],
    ] as const) {
      await write(bench, handle, name, value);
    }
    // Events are looked at in their order: after this one all of them have been.
    await write(bench, handle, "limit", "4096");
    await waitFor("the limit", async () => (await onlyStream(bench)).limit === 4096);
    await xenstore.write("/libxl/end", "");
    for await (const { path } of watch) {
      assert.ok(!answers.includes(path), path);
      if (path === "/libxl/end") break;
    }
    assert.equal(bench.count("StreamReconfigured"), 1);
  });

  // contract: C50, C54, C55
  it("goes on with what it had when a value is wrong, and says so until it is right", async () => {
    await using bench = await Bench.start();
    const handle = await bench.stream("mistaken");
    const writer = bench.writer(handle);
    const before = await onlyStream(bench);
    const other = bench.daemon.logPath("other.log");
    const mistakes: [NodeName, string, string, string][] = [
      ["limit", "1", "1048576", badLimit],
      ["file", other, handle.file, keeps("file", other, handle.file)],
      ["overflow", "drop", "block", keeps("overflow", "drop", "block")],
      ["pipe", `${handle.pipe}2`, handle.pipe, keeps("pipe", `${handle.pipe}2`, handle.pipe)],
    ];
    let log = "";
    for (const [name, wrong, right, sentence] of mistakes) {
      await write(bench, handle, name, wrong);
      await waitFor(sentence, async () => (await answerTo(bench, handle))[1] === sentence);
      const during = await waitFor("its being listed", async () => {
        const stream = await onlyStream(bench);
        return stream.error === sentence && stream;
      });
      assert.deepEqual([during.state, during.epoch], ["ready", before.epoch]);
      assert.deepEqual([during.limit, during.file], [before.limit, before.file]);
      assert.equal((await answerTo(bench, handle))[0], "ready");
      writeSync(writer, `with a wrong ${name}\n`);
      log += `with a wrong ${name}\n`;
      await waitFor("the line", () => readFileSync(handle.file, "utf8") === log);
      await write(bench, handle, name, right);
      await waitFor("no error", async () => (await answerTo(bench, handle))[1] === undefined);
      await waitFor("the same in the list", async () => (await onlyStream(bench)).error === null);
    }
    assert.equal(bench.count("StreamChangeRefused"), mistakes.length);
    assert.equal(bench.count("StreamReconfigured"), 0);
    assert.equal(bench.count("StreamOpened"), 1);
  });

  // contract: C52
  it("keeps its name while it is served, and is not answered for another", async () => {
    await using bench = await Bench.start();
    const handle = await bench.stream("named");
    const before = await onlyStream(bench);
    await write(bench, handle, "log", "other");
    // Changes are looked at in their order: when this one is in use, the other one was looked at.
    await write(bench, handle, "limit", "8192");
    const after = await waitFor("the limit", async () => {
      const stream = await onlyStream(bench);
      return stream.limit === 8192 && stream;
    });
    assert.deepEqual([after.log, after.epoch, after.error], [before.log, before.epoch, null]);
    assert.deepEqual(await answerTo(bench, handle), ["ready", undefined]);
    assert.equal(bench.count("StreamChangeRefused"), 0);
    await bench.daemon.kill(bench.daemon.mainPid);
    await bench.daemon.start();
    assert.equal((await onlyStream(bench)).log, before.log, "nor by the next daemon");
  });

  // contract: C59
  it("has its new limit after kill -9 of main process and pump", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const handle = await bench.stream("killed");
    const writer = bench.writer(handle);
    await write(bench, handle, "limit", "8192");
    await waitFor("the limit", async () => (await onlyStream(bench)).limit === 8192);
    const { epoch } = await onlyStream(bench);
    assert.equal(limitInTable(bench, epoch), 8192);
    await daemon.kill(daemon.mainPid, daemon.pumpPid);
    // Nobody is there to see these: the next daemon has to.
    await write(bench, handle, "copies", "2");
    await daemon.start();
    const stream = await waitFor("the copies", async () => {
      const first = await onlyStream(bench);
      return first.copies === 2 && first;
    });
    assert.deepEqual([stream.epoch, stream.limit], [epoch, 8192]);
    writeSync(writer, "after\n");
    await waitFor("the line", () => readFileSync(handle.file, "utf8") === "after\n");
  });

  it("has its error in the list of the next daemon too", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const handle = await bench.stream("remembered");
    await write(bench, handle, "limit", "1");
    await waitFor("the error", async () => (await onlyStream(bench)).error === badLimit);
    await daemon.kill(daemon.mainPid);
    await daemon.start();
    await waitFor("the error", async () => (await onlyStream(bench)).error === badLimit);
    assert.deepEqual(await answerTo(bench, handle), ["ready", badLimit]);
  });

  it("has the limit that was written while it was being opened", async () => {
    await using bench = await Bench.start();
    const pump = await bench.freezePump();
    const handle = await bench.stream("early", { wait: false });
    await waitFor("the stream", async () => {
      return (await bench.daemon.control.streams({ all: false })).length === 1;
    });
    await write(bench, handle, "limit", "8192");
    process.kill(pump, "SIGCONT");
    await waitFor("the limit", async () => (await onlyStream(bench)).limit === 8192);
    await waitFor("the answer", async () => (await answerTo(bench, handle))[0] === "ready");
  });
});

async function onlyStream(bench: Bench): Promise<StreamStatus> {
  const [stream, ...others] = await bench.daemon.control.streams({ all: false });
  assert.ok(stream !== undefined && others.length === 0);
  return stream;
}

async function write(
  bench: Bench,
  { key }: LogfileHandle,
  name: NodeName,
  value: string,
): Promise<void> {
  await (await bench.daemon.xenstore()).write(nodePath(key, name), value);
}

/** Its nodes `state` and `error`. */
async function answerTo(
  bench: Bench,
  { key }: LogfileHandle,
): Promise<[string | undefined, string | undefined]> {
  const xenstore = await bench.daemon.xenstore();
  return await xenstore.transaction(async (transaction) => [
    await transaction.readIfExists(nodePath(key, "state")),
    await transaction.readIfExists(nodePath(key, "error")),
  ]);
}

function keeps(name: string, now: string, before: string): string {
  return `${name} is "${now}"; a request that is served keeps its ${name}, "${before}": make a new request for another`;
}

function limitInTable(bench: Bench, epoch: string): unknown {
  const directory = join(bench.tableDirectory, "streams");
  assert.deepEqual(readdirSync(directory), [`${epoch}.json`]);
  return JSON.parse(readFileSync(join(directory, `${epoch}.json`), "utf8")).limitBytes;
}
