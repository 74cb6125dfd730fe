// SPDX-License-Identifier: Apache-2.0
// A log that cannot be written is said: by `list`, by `run`, and in the daemon's own log.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { StreamStatus } from "../../../src/control/index.ts";
import { spawnXenlog, xenlog } from "../../support/cli.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench, noMount } from "./fixture.ts";

const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const diskFull = /no space left/;

async function listed(bench: Bench): Promise<StreamStatus> {
  const [stream] = await bench.daemon.control.streams({ all: false });
  assert.ok(stream !== undefined);
  return stream;
}

function dropIn({ diskFull = 0 }: Readonly<Record<string, number>>): number {
  return diskFull;
}

describe("a log on a full disk", { concurrency: 3, skip: noMount }, () => {
  it("is dropping in the list and in the daemon's own log, when its request wants it so", async () => {
    await using bench = Bench.prepare();
    const disk = bench.mount("log", "size=256k");
    const { daemon } = bench;
    await daemon.start();
    const handle = await bench.stream("policies", { overflow: "drop" });
    const writer = bench.writer(handle);
    disk.fill();
    writeSync(writer, "2".repeat(20_000));
    const { dropping, stalled } = await waitFor("the drop", async () => {
      const stream = await listed(bench);
      return stream.dropping !== null && stream;
    });
    assert.match(dropping?.since ?? "", iso);
    assert.match(stalled?.reason ?? "", diskFull);
    const text = await xenlog(["list", "--dir", daemon.directory]);
    assert.match(text.stdout, /^policies +policies +1 +dropping /m);
    assert.match(text.stderr, /; what comes is dropped since /);
    const said = daemon.events.find(({ msg }) => msg === "StreamDropping");
    assert.partialDeepStrictEqual(said, { level: "error", fileSystem: disk.path });
    disk.free();
    await waitFor("the end of it", async () => (await listed(bench)).stalled === null);
    const { writtenBytes, droppedBytes } = await listed(bench);
    assert.equal(writtenBytes + dropIn(droppedBytes), 20_000);
    assert.equal((await listed(bench)).dropping, null);
    assert.match(readFileSync(handle.file, "utf8"), /^\[xenlogd: \d+ bytes dropped, disk full, /m);
    assert.equal(bench.count("StreamResumed"), 1);
  });

  it("is stalled in the list, with reason, file system and time, until it can be written", async () => {
    await using bench = Bench.prepare();
    const disk = bench.mount("log", "size=256k");
    const { daemon } = bench;
    await daemon.start();
    const handle = await bench.stream("full");
    const writer = bench.writer(handle);
    assert.equal((await listed(bench)).stalled, null);
    disk.fill();
    const begin = new Date().toISOString();
    writeSync(writer, Buffer.alloc(20_000, "full\n"));
    const { stalled, state } = await waitFor("the stall", async () => {
      const stream = await listed(bench);
      return stream.stalled !== null && stream;
    });
    assert.ok(stalled !== null);
    const { reason, fileSystem, since } = stalled;
    assert.match(reason, diskFull);
    assert.equal(fileSystem, disk.path);
    assert.match(since, iso);
    assert.ok(since >= begin && since <= new Date().toISOString(), since);
    assert.equal(state, "ready", "what the contract calls the request has not changed");

    const text = await xenlog(["list", "--dir", daemon.directory]);
    assert.match(text.stdout, /^full +full +1 +stalled /m);
    const sentence = `xenlog: full/full is stalled since ${since}, on the file system ${disk.path}: ${reason}\n`;
    assert.equal(text.stderr, sentence);
    const json = await xenlog(["list", "--json", "--dir", daemon.directory]);
    const [one] = JSON.parse(json.stdout) as StreamStatus[];
    assert.deepEqual(one?.stalled, stalled);

    // Another pump finds the same; the time stays the one at which it began.
    await bench.untilNextPump(() => daemon.kill(daemon.pumpPid));
    await waitFor("a report of the next pump", async () => (await listed(bench)).sizeBytes >= 0);
    assert.equal((await listed(bench)).stalled?.since, since);

    disk.free();
    await waitFor("the end of it", async () => (await listed(bench)).stalled === null);
    const about = { key: "1/1", name: "full", log: "full", file: handle.file };
    const said = daemon.events.filter(({ msg }) => /^Stream(Stalled|Resumed)$/.test(msg));
    assert.deepEqual(
      said.map(({ time: _, level: __, ...fields }) => fields),
      [
        { ...about, msg: "StreamStalled", reason, fileSystem, since },
        { ...about, msg: "StreamResumed" },
      ],
    );
  });

  it("that cannot be opened any more is stalled as well, and resumes", async () => {
    await using bench = Bench.prepare();
    const disk = bench.mount("log", "size=1m,nr_inodes=8");
    const { daemon } = bench;
    await daemon.start();
    const handle = await bench.stream("unopened");
    const writer = bench.writer(handle);
    rmSync(handle.file);
    const takeInodes = (): void => {
      try {
        for (let index = 0; ; index += 1) writeFileSync(join(disk.path, `inode${index}`), "");
      } catch {
        // There are no more.
      }
    };
    await daemon.kill(daemon.pumpPid);
    await waitFor("the stall", async () => {
      takeInodes();
      return (await listed(bench)).stalled !== null;
    });
    assert.match((await listed(bench)).stalled?.reason ?? "", diskFull);
    writeSync(writer, "meanwhile\n");
    for (const name of readdirSync(disk.path)) rmSync(join(disk.path, name));
    await waitFor("the log", () => {
      return existsSync(handle.file) && readFileSync(handle.file, "utf8") === "meanwhile\n";
    });
    await waitFor("the end of it", async () => (await listed(bench)).stalled === null);
    assert.equal(bench.count("StreamRefused"), 1);
    assert.equal(bench.count("StreamResumed"), 1);
  });

  it("is said by the run whose log it is, and when it goes on", async () => {
    await using bench = Bench.prepare();
    const disk = bench.mount("log", "size=256k");
    const { daemon } = bench;
    await daemon.start();
    const [write, end] = ["write", "end"].map((name) => join(daemon.directory, name));
    assert.ok(write !== undefined && end !== undefined);
    const awaits = (path: string): string => `while [ ! -e ${path} ]; do sleep 0.02; done`;
    const command = `${awaits(write)}; head -c 20000 /dev/zero; ${awaits(end)}`;
    const args = ["run", "--name", "demo", "--dir", daemon.directory, "--", "sh", "-c", command];
    const run = spawnXenlog(["--quiet", ...args]);
    await waitFor("the log", () => existsSync(daemon.logPath("demo-console.log")));
    disk.fill();
    writeFileSync(write, "");
    await waitFor("the stall", () => run.stderr().includes("stalled"));
    assert.match(
      run.stderr(),
      /^xenlog: demo\/console is stalled since \S+Z, on the file system \S+\/log: .*no space left.*\n$/,
    );
    disk.free();
    await waitFor("its end", () =>
      run.stderr().includes("xenlog: demo/console is written again\n"),
    );
    writeFileSync(end, "");
    const { code, stderr } = await run.exited;
    assert.equal(code, 0);
    assert.match(stderr, /written=20000 dropped=0/);
    assert.equal(stderr.split("\n").length, 4, stderr);
  });
});
