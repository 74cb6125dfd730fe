// SPDX-License-Identifier: Apache-2.0
// The descriptors that a handle gives to a child process: the log closes when the handle does, and a
// toolstack that makes and closes logs for ever keeps none.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fstatSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { describe, it } from "node:test";
import { createLogfile, type LogfileHandle } from "../../../src/toolstack/index.ts";
import { TestDaemon } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";

/** Two descriptors a round would show; it was run with 1000 as well. */
const rounds = 100;
const atOnce = 10;

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

async function logOf(daemon: TestDaemon, name: string): Promise<LogfileHandle> {
  return await createLogfile({
    xenstore: await daemon.xenstore(),
    global: true,
    file: daemon.logPath(`host-${name}.log`),
    fifoDirectory: daemon.fifoDirectory,
    limitBytes: 65536,
    copies: 0,
  });
}

async function closed(daemon: TestDaemon): Promise<boolean> {
  return (await daemon.control.streams({ all: false })).length === 0;
}

describe("the descriptors of a handle for a child process", () => {
  it("are a child's stdout and stderr, the same at each call, and closed with the handle", async () => {
    await using daemon = await TestDaemon.start();
    const log = await logOf(daemon, "child");
    const [out, err] = log.stdio();
    assert.deepEqual(log.stdio(), [out, err]);
    assert.notEqual(out, err);
    const script = "echo out; echo err >&2";
    const child = spawn("sh", ["-c", script], { stdio: ["ignore", ...log.stdio()] });
    assert.deepEqual(await once(child, "exit"), [0, null]);
    await log.close();
    for (const fd of [out, err]) assert.throws(() => fstatSync(fd), { code: "EBADF" });
    assert.throws(() => log.stdio(), { code: "closed" });
    await waitFor("the log's end", () => closed(daemon));
    assert.equal(readFileSync(log.file, "utf8"), "out\nerr\n");
  });

  it(`leave none behind in ${rounds} rounds of one process, and every log closes`, async () => {
    await using daemon = await TestDaemon.start();
    const round = async (name: string): Promise<void> => {
      await using log = await logOf(daemon, name);
      for (const fd of log.stdio()) writeSync(fd, "x\n");
    };
    await round("first");
    const before = openDescriptors();
    for (let done = 0; done < rounds; done += atOnce) {
      await Promise.all(Array.from({ length: atOnce }, (_, slot) => round(`${done + slot}`)));
    }
    assert.equal(openDescriptors(), before);
    await waitFor("the end of all logs", () => closed(daemon));
    const last = daemon.logPath(`host-${rounds - 1}.log`);
    assert.equal(readFileSync(last, "utf8"), "x\nx\n");
  });
});
