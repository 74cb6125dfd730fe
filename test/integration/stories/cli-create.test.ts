// SPDX-License-Identifier: Apache-2.0
// `create`, `list`, `close` and `xenstored` with a real daemon that somebody has started by hand.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { StreamStatus } from "../../../src/control/index.ts";
import { connectXenstore } from "../../../src/xenstore/index.ts";
import {
  processesIn,
  type RunningXenlog,
  readOrEmpty,
  spawnXenlog,
  type TestDirectory,
  testDirectory,
  until,
  type XenlogResult,
  xenlog,
} from "../../support/cli.ts";
import { ourProgram } from "../../support/target.ts";

let directory: TestDirectory;
let daemon: RunningXenlog;
const inside = (...args: readonly string[]): Promise<XenlogResult> =>
  xenlog([...args, "--dir", directory.path]);
const listed = async (...args: readonly string[]): Promise<readonly StreamStatus[]> =>
  JSON.parse((await inside("list", "--json", ...args)).stdout);

before(async () => {
  directory = testDirectory();
  daemon = spawnXenlog(["--embedded", "--dir", directory.path], { name: "xenlogd" });
  await until(async () => (await inside("list")).code === 0, "the daemon answers");
});
after(() => directory[Symbol.asyncDispose]());

describe("xenlog create", () => {
  it("prints the FIFO's path alone, and what is written there is logged", async () => {
    const { code, stdout, stderr } = await inside("create", "--name", "first");
    assert.deepEqual([code, stderr], [0, ""]);
    const [pipe = "", ...rest] = stdout.split("\n");
    assert.deepEqual(rest, [""]);
    assert.ok(statSync(pipe).isFIFO());
    assert.ok(pipe.startsWith(`${directory.path}/run/fifo/`));
    appendFileSync(pipe, "hello\n");
    const file = join(directory.path, "log/first-console.log");
    await until(() => readOrEmpty(file) === "hello\n", "the line is in the log");
  });

  it("closes the log again when nobody can read its path", async () => {
    const [node, program] = ourProgram("xenlog");
    const create = `'${node}' '${program}' create --name unread --dir '${directory.path}'`;
    for (const [to, reason] of [
      [">/dev/full", "no space left on the file system"],
      ["| true", "the reader is gone"],
    ] as const) {
      const line = `set -o pipefail; { sleep 0.1; ${create}; } ${to}`;
      const { status, stderr } = spawnSync("bash", ["-c", line], { encoding: "utf8" });
      const said = `xenlog: standard output cannot be written: ${reason}; the log is closed\n`;
      assert.deepEqual([status, stderr], [1, said]);
      await until(async () => (await listed()).every(({ name }) => name !== "unread"), "its end");
    }
  });

  it("describes the log with --json, in the frozen order", async () => {
    const args = ["--name", "second", "--log", "qemu", "--limit", "64KiB", "--copies", "3"];
    const { stdout } = await inside("create", ...args, "--overflow", "drop", "--json");
    const { pipe, epoch, domid, ...fixed } = JSON.parse(stdout);
    assert.deepEqual(fixed, {
      name: "second",
      log: "qemu",
      id: 1,
      state: "ready",
      file: `${directory.path}/log/second-qemu.log`,
      limit: 65536,
      copies: 3,
      overflow: "drop",
    });
    assert.equal(
      Object.keys(JSON.parse(stdout)).join(),
      "domid,name,log,id,state,pipe,file,limit,copies,overflow,epoch",
    );
    const [status] = await listed("second");
    assert.deepEqual([status?.pipe, status?.epoch, status?.domid], [pipe, epoch, domid]);
  });

  it("makes logs of the host itself", async () => {
    const { stdout, stderr } = await inside("create", "--global", "--log", "own", "--json");
    assert.equal(stderr, "");
    const { domid, name, file } = JSON.parse(stdout);
    assert.deepEqual([domid, name, file], [null, "host", `${directory.path}/log/host-own.log`]);
  });

  it("takes a relative --file below the log directory", async () => {
    const args = ["create", "--name", "third", "--file", "log/own.log", "--json"];
    const { stdout, stderr } = await xenlog([...args, "--dir", directory.path], {
      cwd: directory.path,
    });
    assert.equal(stderr, "");
    assert.equal(JSON.parse(stdout).file, `${directory.path}/log/own.log`);
  });

  it("is 4 with the daemon's sentence when the daemon refuses, and leaves no domain", async () => {
    const { code, stdout, stderr } = await inside("create", "--name", "bad", "--file", "/etc/x");
    assert.deepEqual([code, stdout], [4, ""]);
    assert.match(stderr, /^xenlog: [^\n]*\/etc\/x[^\n]*\n$/);
    const json = await inside("create", "--name", "bad", "--file", "/etc/x", "--json");
    assert.equal(JSON.parse(json.stderr).error.code, "refused");
    assert.equal((await inside("close", "bad")).code, 6);
  });

  it("does not wait with --no-wait", async () => {
    const { stdout } = await inside("create", "--name", "fast", "--no-wait", "--json");
    assert.equal(JSON.parse(stdout).state, "pending");
    const state = async (): Promise<unknown> => (await listed("fast"))[0]?.state;
    await until(async () => (await state()) === "ready", "the daemon has caught up");
  });

  it("is 6 for a domid that is not there", async () => {
    assert.deepEqual(await inside("create", "--domid", "4242"), {
      code: 6,
      signal: null,
      stdout: "",
      stderr: "xenlog: there is no domain 4242\n",
    });
  });
});

describe("xenlog list", () => {
  it("has the frozen fields", async () => {
    await inside("create", "--name", "fields");
    const [status] = await listed("fields");
    assert.equal(
      Object.keys(status ?? {}).join(),
      "domid,name,log,id,state,pipe,file,limit,copies,overflow,epoch,error,offset,oldestOffset,sizeBytes,boundBytes,rotations,writtenBytes,droppedBytes,lastWriteAt,insertedBytes,stalled,dropping",
    );
    assert.equal(status?.boundBytes, 5 * 1024 * 1024);
  });

  it("is a table for people", async () => {
    await inside("create", "--name", "table", "--limit", "64KiB", "--copies", "3");
    const { stdout, stderr } = await inside("list", "table");
    assert.equal(stderr, "");
    const [heading = "", row = "", ...rest] = stdout.split("\n");
    assert.match(heading, /^DOMAIN +LOG +ID +STATE +KEPT +OF +WRITTEN +DROPPED +ROTATIONS +FILE$/);
    assert.match(
      row,
      /^table +console +1 +ready +0 B +256 KiB +0 B +0 B +0 +\/.*table-console\.log$/,
    );
    assert.deepEqual(rest, [""]);
  });

  it("is 6 for a domain without a log", async () => {
    const { code, stderr } = await inside("list", "nobody");
    assert.deepEqual([code, stderr], [6, "xenlog: there is no log of nobody\n"]);
  });

  it("is quiet when its reader goes", async () => {
    const running = spawnXenlog(["list", "--dir", directory.path]);
    running.child.stdout?.destroy();
    const { code, stderr } = await running.exited;
    assert.deepEqual([code, stderr], [0, ""]);
  });
});

describe("xenlog close", () => {
  // contract: C61
  it("ends one log by name or id, and the domain with its last log", async () => {
    for (const log of ["a", "b", "c"]) await inside("create", "--name", "many", "--log", log);
    assert.deepEqual(
      (await listed("many")).map(({ log, id }) => [log, id]),
      [
        ["a", 1],
        ["b", 2],
        ["c", 3],
      ],
    );
    const domid = String((await listed("many"))[0]?.domid);
    assert.equal((await inside("close", "many", "b")).code, 0);
    assert.equal((await inside("close", domid, "1")).code, 0);
    const open = async (): Promise<unknown[]> =>
      (await listed()).filter(({ name }) => name === "many").map(({ log }) => log);
    await until(async () => String(await open()) === "c", "two are closed");
    assert.equal((await inside("close", "many")).code, 0);
    await until(async () => String(await open()) === "", "all are closed");
    assert.deepEqual(await inside("create", "--domid", domid), {
      code: 6,
      signal: null,
      stdout: "",
      stderr: `xenlog: there is no domain ${domid}\n`,
    });
    const closed = (await listed("many", "--all")).map(({ state }) => state);
    assert.deepEqual(closed, ["closed", "closed", "closed"]);
    const socketPath = join(directory.path, "run/xenstored.sock");
    await using xenstore = await connectXenstore({ socketPath });
    assert.equal(await xenstore.exists(`/libxl/${domid}`), false, "no empty parents");
  });

  it("is 6 for what is not there", async () => {
    const { code, stderr } = await inside("close", "nobody");
    assert.deepEqual([code, stderr], [6, "xenlog: there is no log of nobody\n"]);
    await inside("create", "--name", "somebody");
    const other = await inside("close", "somebody", "qemu");
    assert.deepEqual([other.code, other.stderr], [6, "xenlog: there is no log qemu of somebody\n"]);
  });
});

describe("a daemon that was started by hand", () => {
  it("stays when a run has ended, and refuses a second one with 7", async () => {
    const run = await xenlog(["run", "--dir", directory.path, "--", "echo", "joined"]);
    assert.equal(run.code, 0, run.stderr);
    assert.equal((await inside("list")).code, 0);
    const second = await xenlog(["--embedded", "--dir", directory.path], { name: "xenlogd" });
    assert.equal(second.code, 7);
    assert.match(second.stderr, /^xenlogd: [^\n]*\n$/);
  });

  it("drains at SIGTERM and takes everything down", async () => {
    daemon.child.kill("SIGTERM");
    assert.equal((await daemon.exited).code, 0);
    await until(() => processesIn(directory.path).length === 0, "its children are gone");
    assert.deepEqual(await inside("list"), {
      code: 3,
      signal: null,
      stdout: "",
      stderr: `xenlog: no xenlogd answers in ${directory.path}: start one with xenlogd --embedded --dir ${directory.path}\n`,
    });
  });
});

describe("xenlog xenstored", () => {
  it("refuses a socket on which another xenstored answers, with 7", async () => {
    await using own = testDirectory();
    const socket = join(own.path, "s");
    const first = spawnXenlog(["xenstored", "--socket", socket, "-v"]);
    await until(() => first.stderr() === `xenlog: xenstored answers at ${socket}\n`, "it answers");
    const second = await xenlog(["xenstored", "--socket", socket]);
    assert.deepEqual(
      [second.code, second.stderr],
      [7, `xenlog: another xenstored answers at ${socket} already\n`],
    );
    first.child.kill("SIGINT");
    assert.equal((await first.exited).code, 0);
  });
});
