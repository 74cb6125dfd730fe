// SPDX-License-Identifier: Apache-2.0
// File systems that are full: the logs' own, and the one that the daemon keeps its table on.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { waitFor } from "../../support/wait.ts";
import { Bench, type Disk, noMount, wakeUps } from "./fixture.ts";

/** Stages of one pump. */
const stages = 8;
/** Files that a small disk can have. */
const inodes = 12;

describe("with a full disk", { concurrency: 2, skip: noMount }, () => {
  for (const victim of ["pump", "daemon"] as const) {
    it(`a ${victim} that is killed logs on by itself when a log can be made again`, async () => {
      await using bench = Bench.prepare();
      const disk = bench.mount("log", `size=1m,nr_inodes=${inodes + 1}`);
      const { daemon } = bench;
      await daemon.start();
      const handle = await bench.stream("unopened");
      const writer = bench.writer(handle);
      writeSync(writer, "before\n");
      await waitFor("the line", () => readFileSync(handle.file, "utf8") === "before\n");
      rmSync(handle.file);
      if (victim === "pump") await daemon.kill(daemon.pumpPid);
      else await daemon.kill(daemon.mainPid, daemon.pumpPid);
      // The dead pump's was one of them; the next one is a Node.js that has yet to start.
      await waitFor("no inode", () => takeAllInodes(disk) === inodes);
      writeSync(writer, "meanwhile\n");
      if (victim === "daemon") await daemon.start();
      await waitFor("a refusal", () => bench.count("StreamRefused") > 0);
      const [refused] = daemon.events.filter(({ msg }) => msg === "StreamRefused");
      assert.equal(refused?.["final"], false);
      writeSync(writer, "still\n");
      for (const name of readdirSync(disk.path)) rmSync(join(disk.path, name));
      await waitFor("the log", () => {
        return (
          existsSync(handle.file) && readFileSync(handle.file, "utf8") === "meanwhile\nstill\n"
        );
      });
      const [stream] = await daemon.control.streams({ all: false });
      assert.equal(stream?.state, "ready");
    });
  }

  it("more stalled streams than stages wait, and each resumes once", async () => {
    await using bench = Bench.prepare();
    const disk = bench.mount("log", "size=512k");
    const { daemon } = bench;
    await daemon.start();
    const names = Array.from({ length: stages + 3 }, (_, index) => `stalled${index}`);
    const handles = await Promise.all(names.map((name) => bench.stream(name)));
    disk.fill();
    const words = "a line of a stalled stream\n".repeat(200);
    for (const handle of handles) writeSync(bench.writer(handle), words);
    const events = (msg: string) => daemon.events.filter((event) => event.msg === msg);
    await waitFor("all stalled", () => events("StreamStalled").length === names.length);
    const waiting = events("StreamStalled").filter(({ reason }) => /stages/.test(String(reason)));
    // One stage is left to bytes that are dropped.
    assert.equal(waiting.length, names.length - (stages - 1));
    // Each of them is tried again, which nothing but the pump's waking up tells.
    const before = wakeUps(daemon.pumpPid);
    await waitFor("tries", () => wakeUps(daemon.pumpPid) >= before + 3);
    assert.equal(events("StreamResumed").length, 0, "nothing has");
    disk.free();
    for (const { file } of handles) {
      await waitFor(file, () => readFileSync(file, "utf8") === words);
    }
    await waitFor("all resumed", () => events("StreamResumed").length >= names.length);
    assert.equal(events("StreamResumed").length, names.length);
    assert.equal(events("StreamStalled").length, names.length);
    const resumed = events("StreamResumed").map(({ key }) => key);
    assert.equal(new Set(resumed).size, names.length);
  });

  it("of the daemon's own a request is refused with a sentence", async () => {
    await using bench = Bench.prepare();
    const disk = bench.mount("state/table", "size=256k");
    const { daemon } = bench;
    await daemon.start();
    const main = daemon.mainPid;
    const neighbour = await bench.stream("neighbour");
    const writer = bench.writer(neighbour);
    disk.fill();
    await assert.rejects(bench.stream("refused"), {
      code: "refused",
      message:
        "the daemon cannot keep its own record of the stream: no space left on the file system",
    });
    assert.ok(!existsSync(daemon.logPath("refused.log")));
    writeSync(writer, "well\n");
    await waitFor("the neighbour", () => readFileSync(neighbour.file, "utf8") === "well\n");
    disk.free();
    const accepted = await bench.stream("accepted");
    bench.say(accepted, "well, too\n");
    await waitFor("the line", () => readFileSync(accepted.file, "utf8") === "well, too\n");
    assert.equal(daemon.mainPid, main);
  });

  it("of the daemon's own a stream that begins to write does not end its pump", async () => {
    await using bench = Bench.prepare();
    const disk = bench.mount("state/table", "size=256k");
    const { daemon } = bench;
    await daemon.start();
    const handles = [];
    for (let index = 0; index < stages; index += 1) {
      handles.push(await bench.stream(`begins${index}`));
    }
    disk.fill();
    // Each takes a stage that was nobody's, with a note that was never written.
    for (const handle of handles) {
      writeSync(bench.writer(handle), "begun\n");
      await waitFor(handle.file, () => readFileSync(handle.file, "utf8") === "begun\n");
    }
    assert.equal(bench.count("PumpStarted"), 1);
    assert.equal(bench.count("PumpEnded"), 0);
  });
});

/** Takes those that are left; how many there are in use. */
function takeAllInodes({ path }: Disk): number {
  try {
    for (let index = 0; ; index += 1) writeFileSync(join(path, `inode${index}`), "");
  } catch {
    // There are no more.
  }
  return readdirSync(path).length;
}
