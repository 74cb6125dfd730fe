// SPDX-License-Identifier: Apache-2.0
// What a daemon finds on disk and must not fall over: damaged records, a lock that is nobody's.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { takeInstanceLock } from "../../../src/daemon/instance-lock.ts";
import { fileSystemOf, readMounts } from "../../../src/daemon/pumps/file-systems.ts";
import { openPath, tryLock } from "../../../src/kernel/index.ts";
import { libcFcntl } from "../../../src/kernel/library.ts";
import { spawnXenlog, testDirectory } from "../../support/cli.ts";
import { isRunning, vaultProcessesIn } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench } from "./fixture.ts";

// include/uapi/linux/fcntl.h, include/uapi/asm-generic/fcntl.h
const F_SETLEASE = 1024;
const F_WRLCK = 1;

describe("a daemon that starts", { concurrency: 2 }, () => {
  it("sets damaged records of its table aside", async () => {
    await using bench = Bench.prepare();
    const { daemon } = bench;
    const records = join(bench.tableDirectory, "streams");
    mkdirSync(join(records, "0123456789abcdef.json"), { recursive: true });
    writeFileSync(join(records, "0123456789abcde0.json"), '{"version":1,"epoch":"0123');
    writeFileSync(join(records, "0123456789abcde1.json"), "");
    await daemon.start();
    assert.deepEqual(await daemon.control.streams({ all: true }), []);
    const handle = await bench.stream("well");
    bench.say(handle, "well\n");
    await waitFor("the line", () => readFileSync(handle.file, "utf8") === "well\n");
    const aside = readdirSync(records).filter((name) => name.endsWith(".json.damaged"));
    assert.equal(aside.length, 3, "they may be worth a look");
    assert.equal(bench.count("StateSetAside"), 3);
  });

  it("takes no record with a limit that has no room for a byte", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const handle = await bench.stream("no-room");
    const writer = bench.writer(handle);
    writeSync(writer, "before\n");
    await waitFor("the line", () => readFileSync(handle.file, "utf8") === "before\n");
    await daemon.kill(daemon.mainPid, daemon.pumpPid);
    const records = join(bench.tableDirectory, "streams");
    const [record = ""] = readdirSync(records);
    const path = join(records, record);
    const text = readFileSync(path, "utf8");
    assert.match(text, /"limitBytes":1048576,/);
    writeFileSync(path, text.replace('"limitBytes":1048576', '"limitBytes":0'));
    writeSync(writer, "after\n");
    await daemon.start();
    // Its request is in xenstore still, with the limit that was asked for.
    await waitFor("the rest", () => readFileSync(handle.file, "utf8") === "before\nafter\n");
    const [stream] = await daemon.control.streams({ all: false });
    assert.equal(stream?.limit, 1 << 20);
    assert.notEqual(`${stream?.epoch}.json`, record);
    assert.equal(bench.count("PumpEnded"), 0);
  });

  it("and cannot, because its pump's lock is a directory, leaves no vault behind", async () => {
    await using directory = testDirectory();
    const { path } = directory;
    const table = join(path, "state/table");
    const pool = fileSystemOf(join(path, "log"), readMounts());
    mkdirSync(join(table, `pump-${pool}.lock`), { recursive: true });
    const main = spawnXenlog(["--embedded", "--dir", path], { name: "xenlogd" });
    const vault = await waitFor("a vault", () => vaultProcessesIn(table)[0]?.process.pid);
    const { code, stderr } = await main.exited;
    assert.equal(code, 1);
    assert.match(stderr, /the pump for .* cannot start: .*it is a directory \(EISDIR\)\n$/);
    assert.ok(!isRunning(vault));
    assert.deepEqual(vaultProcessesIn(table), []);
  });
});

describe("a store that was started and not recorded", () => {
  it("is ended by the next daemon's orderly stop", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const record = join(daemon.directory, "state/xenstored.process");
    const { pid } = JSON.parse(readFileSync(record, "utf8")) as { readonly pid: number };
    await daemon.kill(daemon.mainPid);
    // As if main had been killed between spawn and write.
    rmSync(record);
    await daemon.start();
    assert.equal(bench.count("StoreStarted"), 1, "the same store goes on");
    assert.ok(isRunning(pid));
    await daemon.stop();
    assert.ok(!isRunning(pid));
  });
});

describe("the lock of the pid file", () => {
  it("is not taken for ours when the file has lost its name", async () => {
    await using directory = testDirectory();
    const path = join(directory.path, "xenlogd.pid");
    // A predecessor that is about to end; its lease holds the other one up between open and flock.
    const ending = openPath(path, constants.O_RDWR | constants.O_CREAT, 0o644);
    assert.ok(tryLock(ending, "exclusive"));
    const opened = once(process, "SIGIO", { signal: AbortSignal.timeout(15_000) });
    assert.equal(libcFcntl(ending, F_SETLEASE, F_WRLCK), 0, "a lease on the pid file");
    const other = spawnTaker(path);
    const ended = once(other, "exit");
    try {
      await opened;
      rmSync(path);
      // Gives back the lock before the lease (fs/locks.c, locks_remove_file): never the other way.
      closeSync(ending);
      assert.ok(other.stdout);
      await once(other.stdout, "data", { signal: AbortSignal.timeout(15_000) });
      assert.ok(existsSync(path), "a file of its own");
      assert.throws(() => takeInstanceLock(path), {
        code: "alreadyRunning",
        message: `another xenlogd runs here already: pid ${other.pid}`,
      });
    } finally {
      other.kill("SIGKILL");
      await ended;
    }
    takeInstanceLock(path)[Symbol.dispose]();
    assert.ok(!existsSync(path));
  });
});

/** A process that takes the lock, says so, and keeps it. */
function spawnTaker(path: string): ChildProcess {
  const module = new URL("../../../src/daemon/instance-lock.ts", import.meta.url);
  const script = `
    import { takeInstanceLock } from ${JSON.stringify(module.href)};
    globalThis.lock = takeInstanceLock(${JSON.stringify(path)});
    process.stdout.write("taken");
    setInterval(() => {}, 1000);
  `;
  return spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}
