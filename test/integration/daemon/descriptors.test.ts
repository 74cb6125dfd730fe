// SPDX-License-Identifier: Apache-2.0
// A daemon that may open no more files, or no larger ones: what it has goes on.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { nodePath } from "../../../src/contract/index.ts";
import type { LogfileHandle } from "../../../src/toolstack/index.ts";
import { chainOf } from "../../support/chain.ts";
import { limitWith, noPrlimit, setSoftOpenFiles, softOpenFiles } from "../../support/limits.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench, noMount } from "./fixture.ts";

const pumpLacks =
  /the pump may have \d+ files open, too few for one more log; raise LimitNOFILE= of its service, or ulimit -n$/;
const someLacks = new RegExp(pumpLacks.source.replace("pump", "(pump|daemon)"));

describe("a pump without a free descriptor", { skip: noPrlimit }, () => {
  it("refuses a new stream, and its neighbours go on", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const pump = daemon.pumpPid;
    const neighbour = await bench.stream("neighbour");
    const writer = bench.writer(neighbour);
    const limit = softOpenFiles(pump);
    let lines = "";
    // Some are kept for the streams that are open.
    for (const spare of [0, 1, 4, 35]) {
      setSoftOpenFiles(pump, limitWith(pump, spare));
      await assert.rejects(bench.stream(`new${spare}`), { code: "refused", message: pumpLacks });
      writeSync(writer, `beside ${spare}\n`);
      lines += `beside ${spare}\n`;
      await waitFor("the next line", () => readFileSync(neighbour.file, "utf8") === lines);
    }
    setSoftOpenFiles(pump, limitWith(pump, 36));
    await logsWell(bench, "just");
    setSoftOpenFiles(pump, limit);
    await logsWell(bench, "well");
    assert.equal(daemon.pumpPid, pump);
    assert.equal(bench.count("PumpEnded"), 0);
  });

  it("goes on with a stream that cannot have its next epoch", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const handle = await bench.stream("guest");
    const writer = bench.writer(handle);
    const epochOf = async () => (await daemon.control.streams({ all: false }))[0]?.epoch;
    const epoch = await epochOf();
    const limit = softOpenFiles(daemon.pumpPid);
    setSoftOpenFiles(daemon.pumpPid, limitWith(daemon.pumpPid, 0));
    const xenstore = await daemon.xenstore();
    const state = nodePath(handle.key, "state");
    await xenstore.rm(state);
    await waitFor("an answer", async () => (await xenstore.readIfExists(state)) === "ready");
    assert.equal(bench.count("StreamRefused"), 1);
    writeSync(writer, "before\n");
    await waitFor("the line", () => readOr(handle.file) === "before\n");
    assert.equal(await epochOf(), epoch);
    setSoftOpenFiles(daemon.pumpPid, limit);
    await xenstore.rm(state);
    await waitFor("the next epoch", async () => (await epochOf()) !== epoch);
    writeSync(writer, "after\n");
    await waitFor("its line", () => readOr(handle.file) === "before\nafter\n");
  });
});

describe("a directory of logs that is read-only at the start", { skip: noMount }, () => {
  it("stalls its own streams, and no others", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const directory = daemon.logPath("fixed");
    mkdirSync(directory);
    const [fixed, other] = [
      await bench.stream("fixed", { file: join(directory, "guest.log") }),
      await bench.stream("other"),
    ];
    const [writer, neighbour] = [bench.writer(fixed), bench.writer(other)];
    await daemon.kill(daemon.mainPid, daemon.pumpPid);
    execFileSync("mount", ["--bind", directory, directory]);
    const unmount = (): void => void spawnSync("umount", ["-l", directory]);
    bench.defer(unmount);
    execFileSync("mount", ["-o", "remount,bind,ro", directory]);
    await daemon.start();
    writeSync(writer, "waits\n");
    writeSync(neighbour, "beside\n");
    await waitFor("a line beside", () => readOr(other.file) === "beside\n");
    const about = ({ msg }: { readonly msg: string }): boolean =>
      msg === "StreamStalled" || msg === "StreamRefused";
    const { reason } = await waitFor("a report", () => daemon.events.find(about));
    assert.match(String(reason), /the file system is read-only/);
    assert.ok(!readOr(fixed.file));
    await assert.rejects(bench.stream("new", { file: join(directory, "new.log") }), {
      code: "refused",
      message: /the file system is read-only/,
    });
    unmount();
    await waitFor("its line", () => readOr(fixed.file) === "waits\n");
    assert.equal(bench.count("PumpEnded"), 0);
  });
});

describe("a daemon with few descriptors", { skip: noPrlimit }, () => {
  it("serves as many streams as it has room for, and refuses the others", async () => {
    await using bench = Bench.prepare();
    const { daemon } = bench;
    await daemon.start("--nofile=256:256");
    const pump = daemon.pumpPid;
    const idle = openFiles(pump);
    const served: LogfileHandle[] = [];
    const refusals: unknown[] = [];
    while (refusals.length < 4) {
      const number = served.length + refusals.length;
      const outcome = await bench
        .stream(`s${number}`, { limitBytes: 4096, copies: 2 })
        .catch((error: unknown) => error);
      if (outcome instanceof Error) refusals.push(outcome.message);
      else served.push(outcome as LogfileHandle);
    }
    assert.ok(served.length >= 40, `${served.length} are served`);
    for (const message of refusals) assert.match(String(message), someLacks);
    const each = (openFiles(pump) - idle) / served.length;
    // And one for their directory.
    assert.ok(each <= 3 + 1 / served.length, `${each} descriptors for each stream`);

    // All log on, and rotate.
    for (const [index, handle] of served.entries()) {
      bench.say(handle, `${"x".repeat(4095)}\n`.repeat(2));
      bench.say(handle, `stream ${index}\n`);
    }
    for (const [index, { file }] of served.entries()) {
      await waitFor("its line", () => readOr(file) === `stream ${index}\n`);
      assert.equal(chainOf(file).length, 3);
    }

    // As logrotate does it.
    const [first, ...others] = served;
    assert.ok(first !== undefined);
    renameSync(first.file, `${first.file}.moved`);
    process.kill(daemon.mainPid, "SIGHUP");
    await waitFor("a look", () => bench.count("LogInterfered") === 1);
    bench.say(first, "next\n");
    await waitFor("the next file", () => readOr(first.file) === "next\n");

    // What is removed makes room.
    for (const handle of others) await handle.close();
    await waitFor("their ends", () => bench.count("StreamClosed") === others.length);
    await logsWell(bench, "room");
    await first.close();
    await waitFor("its end", () => bench.count("StreamClosed") === served.length);
    await logsWell(bench, "again");
    assert.equal(daemon.pumpPid, pump);
    for (const kind of ["PumpEnded", "VaultProcessFailed", "FifoNotKept"]) {
      assert.equal(bench.count(kind), 0, kind);
    }
  });

  it("stalls at the limit of a file's size with a reason that names it", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const setLimit = (limit: string): void => {
      execFileSync("prlimit", ["--pid", String(daemon.pumpPid), `--fsize=${limit}:`]);
    };
    setLimit("65536");
    const handle = await bench.stream("large");
    const neighbour = await bench.stream("small");
    const text = `${"x".repeat(4095)}\n`.repeat(15);
    bench.say(handle, text);
    await waitFor("a line", () => readOr(handle.file) === text);
    const writer = bench.writer(handle);
    writeSync(writer, `${"y".repeat(8191)}\n`);
    const { reason } = await waitFor("a stall", () => {
      return daemon.events.find(({ msg }) => msg === "StreamStalled");
    });
    assert.match(
      String(reason),
      /: the pump may make files of 65536 bytes; raise LimitFSIZE= of its service, or ulimit -f$/,
    );
    bench.say(neighbour, "beside\n");
    await waitFor("its line", () => readOr(neighbour.file) === "beside\n");
    setLimit("unlimited");
    const whole = `${text}${"y".repeat(8191)}\n`;
    await waitFor("the rest", () => readOr(handle.file) === whole);
    await waitFor("its event", () => bench.count("StreamResumed") === 1);
  });
});

async function logsWell(bench: Bench, name: string): Promise<void> {
  const handle = await bench.stream(name);
  bench.say(handle, "well\n");
  await waitFor("its line", () => readOr(handle.file) === "well\n");
}

function readOr(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
