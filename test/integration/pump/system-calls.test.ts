// SPDX-License-Identifier: Apache-2.0
// Bytes do not enter the pump: what it does with FIFOs, as strace sees it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { createLogfile, introduceDomain } from "../../../src/toolstack/index.ts";
import { TestDaemon } from "../../support/daemon.ts";
import { debianProgram } from "../../support/debian.ts";
import { compileC } from "../../support/programs.ts";
import { waitFor } from "../../support/wait.ts";

const floodBytes = 20_000_000;

describe("the pump's system calls", () => {
  it("move a FIFO's bytes by splice and never read them", async (t) => {
    const strace = await debianProgram("strace");
    const flood = await compileC("test/support/programs/flood.c");
    if (!strace.found) return t.skip(strace.reason);
    if (!flood.found) return t.skip(flood.reason);
    await using daemon = await TestDaemon.start();
    const xenstore = await daemon.xenstore();
    const handle = await createLogfile({
      xenstore,
      domid: await introduceDomain(xenstore, "flooder"),
      file: daemon.logPath("flooder-console.log"),
      limitBytes: 1 << 20,
      copies: 2,
      fifoDirectory: daemon.fifoDirectory,
    });
    const trace = join(daemon.directory, "trace");
    const calls = "trace=read,readv,pread64,preadv,splice,tee,vmsplice,io_uring_enter,recvmsg";
    const tracer = spawn(
      strace.path,
      ["-f", "-y", "-e", calls, "-o", trace, "-p", String(daemon.pumpPid)],
      { env: strace.env, stdio: ["ignore", "ignore", "pipe"] },
    );
    await once(tracer.stderr, "data");
    const writer = spawn(flood.path, [handle.pipe, String(floodBytes)], { stdio: "ignore" });
    assert.deepEqual(await once(writer, "exit"), [0, null]);
    await waitFor("all bytes in the log", async () => {
      const [stream] = await daemon.control.streams({ all: false });
      return stream?.writtenBytes === floodBytes;
    });
    tracer.kill("SIGTERM");
    await once(tracer, "exit");
    const onFifo = readFileSync(trace, "latin1")
      .split("\n")
      .filter((line) => line.includes(handle.pipe));
    const names = new Set(onFifo.map((line) => /^[0-9]+ +([a-z0-9_]+)\(/.exec(line)?.[1]));
    assert.deepEqual([...names], ["splice"]);
    const moved = onFifo.map((line) => Number(/ = ([0-9]+)$/.exec(line)?.[1] ?? 0));
    assert.equal(
      moved.reduce((sum, bytes) => sum + bytes),
      floodBytes,
    );
    rmSync(trace);
    await handle.close();
  });
});
