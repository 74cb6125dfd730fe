// SPDX-License-Identifier: Apache-2.0
// The contract between a toolstack and the daemon on a host, against Debian's own xenstored and
// oxenstored, with Debian's own xenstore-* programs as the toolstack.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { StreamStatus } from "../../src/control/index.ts";
import { bytesReadable, makeFifo } from "../../src/kernel/index.ts";
import { createLogfile, type LogfileHandle } from "../../src/toolstack/index.ts";
import { wholeLog } from "../support/chain.ts";
import { TestDaemon } from "../support/daemon.ts";
import { debianProgram } from "../support/debian.ts";
import { waitFor } from "../support/wait.ts";
import { startXenstored, type Xenstored, xenstoredParts } from "../support/xenstored.ts";

const execute = promisify(execFile);
const parts = await xenstoredParts();
const tools = await debianProgram("xenstore-write");

interface Host {
  readonly daemon: TestDaemon;
  readonly xenstored: Xenstored;
  /** One of Debian's xenstore-* programs; its stdout. */
  readonly xs: (program: string, ...args: string[]) => Promise<string>;
}

const temporary: string[] = [];
after(async () => {
  for (const directory of temporary) await rm(directory, { recursive: true, force: true });
});

async function newDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "xs-"));
  temporary.push(directory);
  return directory;
}

async function withHost(kind: "c" | "ocaml", body: (host: Host) => Promise<void>): Promise<void> {
  if (!parts.found) throw new Error(parts.reason);
  const dir = await newDirectory();
  await using xenstored = await startXenstored({ kind, dir, parts });
  await using daemon = TestDaemon.onHost(xenstored.socketPath);
  await daemon.start();
  await waitFor("xenstore", async () => (await daemon.control.status()).xenstore === "connected");
  await body({ daemon, xenstored, xs: xenstoreTools(xenstored.socketPath) });
}

function xenstoreTools(socketPath: string): Host["xs"] {
  return async (program, ...args) => {
    const found = await debianProgram(program);
    if (!found.found) throw new Error(found.reason);
    const env = { ...found.env, XENSTORED_PATH: socketPath };
    return (await execute(found.path, [...found.args, ...args], { env })).stdout;
  };
}

/** A FIFO as a toolstack makes it, with a writer that keeps it open. */
function makePipe(daemon: TestDaemon, name: string): { path: string; writer: number } {
  const path = join(daemon.fifoDirectory, name);
  makeFifo(path, 0o600);
  return { path, writer: openSync(path, constants.O_RDWR) };
}

async function streamOf(
  daemon: TestDaemon,
  domid: number | null,
): Promise<StreamStatus | undefined> {
  const streams = await daemon.control.streams({ all: true });
  return streams.find((stream) => stream.domid === domid);
}

const skip = parts.found && tools.found ? false : "Debian's xenstore parts cannot be had";

for (const kind of ["c", "ocaml"] as const) {
  describe(`against Debian's ${kind === "c" ? "xenstored" : "oxenstored"}`, { skip }, () => {
    // contract: C1, C37, C40, C60, C67, C68, C85
    it("a request written node by node, in any order, becomes ready and is closed by rm", () =>
      withHost(kind, async ({ daemon, xs }) => {
        const nodes: [string, string][] = [
          ["pipe", ""],
          ["file", ""],
          ["limit", "65536"],
          ["copies", "3"],
        ];
        // Rotated by one each time: every node is the last one once.
        for (let turn = 0; turn < nodes.length; turn += 1) {
          const domid = 5 + turn;
          const base = `/libxl/${domid}/logging/1`;
          const pipe = makePipe(daemon, `p${domid}-0123456789abcdef`);
          const file = daemon.logPath(`vm${domid}-qemu.log`);
          for (let step = 0; step < nodes.length; step += 1) {
            const [node = "", value = ""] = nodes[(turn + step) % nodes.length] ?? [];
            const text = node === "pipe" ? pipe.path : node === "file" ? file : value;
            await xs("xenstore-write", `${base}/${node}`, text);
          }
          await waitFor(`ready ${domid}`, async () =>
            (await xs("xenstore-ls", base)).includes('state = "ready"'),
          );
          const listing = (await xs("xenstore-ls", "/libxl")).replaceAll(/\.\.\.$/gm, "");
          assert.match(listing, new RegExp(`${domid} = ""\n logging = ""\n {2}1 = ""`));
          writeSync(pipe.writer, "before the end\n");
          await xs("xenstore-rm", `/libxl/${domid}`);
          await waitFor(
            "closing",
            async () => (await streamOf(daemon, domid))?.state === "closing",
          );
          // Last words: as much as a QEMU may still have to say, and more than a pipe holds.
          await writeAll(pipe.writer, Buffer.alloc(200_000, "last words\n"));
          closeSync(pipe.writer);
          await waitFor("closed", async () => (await streamOf(daemon, domid))?.state === "closed");
          const log = wholeLog(file);
          const expected = Buffer.concat([
            Buffer.from("before the end\n"),
            Buffer.alloc(200_000, "last words\n"),
          ]);
          assert.ok(log.equals(expected.subarray(expected.length - log.length)));
          assert.ok(log.length >= 200_015);
          assert.ok(!existsSync(pipe.path), "the FIFO is gone, the log is not");
        }
        assert.doesNotMatch(await xs("xenstore-ls", "/libxl"), /state/);
      }));

    // contract: C2
    it("the host's own logs are asked for the same way", () =>
      withHost(kind, async ({ daemon, xs }) => {
        const pipe = makePipe(daemon, "host-0123456789abcdef");
        const base = "/libxl/logging/1";
        const file = daemon.logPath("host-xenstored.log");
        await xs("xenstore-write", `${base}/pipe`, pipe.path, `${base}/file`, file);
        await xs("xenstore-write", `${base}/limit`, "4096", `${base}/copies`, "0");
        await waitFor("ready", async () => (await streamOf(daemon, null))?.state === "ready");
        writeSync(pipe.writer, "hello\n");
        await waitFor("the line", () => wholeLog(file).toString() === "hello\n");
        await xs("xenstore-rm", base);
        closeSync(pipe.writer);
        await waitFor("closed", async () => (await streamOf(daemon, null))?.state === "closed");
      }));

    // contract: C42, C43
    it("a refused request says why, and its FIFO is drained into a counter", () =>
      withHost(kind, async ({ daemon, xs }) => {
        const pipe = makePipe(daemon, "p5-0123456789abcdef");
        const base = "/libxl/5/logging/1";
        const write = (node: string, value: string): Promise<string> =>
          xs("xenstore-write", `${base}/${node}`, value);
        await write("pipe", pipe.path);
        await write("file", "/etc/passwd");
        await write("limit", "65536");
        await write("copies", "3");
        await waitFor("failed", async () => (await streamOf(daemon, 5))?.state === "failed");
        const said = `file is "/etc/passwd"; it must be below ${daemon.environment["XEN_LOG_DIR"]}`;
        assert.equal((await xs("xenstore-read", `${base}/error`)).trim(), said);
        assert.equal((await streamOf(daemon, 5))?.error, said);
        await writeAll(pipe.writer, Buffer.alloc(300_000));
        await waitFor("counted", async () => {
          return (await streamOf(daemon, 5))?.droppedBytes["refused"] === 300_000;
        });
        // Asked anew with a value that is right.
        await write("file", daemon.logPath("vm5-qemu.log"));
        await xs("xenstore-rm", `${base}/state`);
        await waitFor("ready", async () => (await streamOf(daemon, 5))?.state === "ready");
        writeSync(pipe.writer, "logged\n");
        await waitFor("the line", () => {
          return readFileSync(daemon.logPath("vm5-qemu.log"), "utf8") === "logged\n";
        });
        closeSync(pipe.writer);
      }));

    it("nodes that a guest may write are no request", () =>
      withHost(kind, async ({ daemon, xenstored, xs }) => {
        await xenstored.introduceDomain(7);
        const pipe = makePipe(daemon, "p7-0123456789abcdef");
        const base = "/libxl/7/logging/1";
        await xs("xenstore-write", `${base}/pipe`, pipe.path, `${base}/limit`, "65536");
        await xs("xenstore-chmod", `${base}/pipe`, "n0", "b7");
        await xs("xenstore-write", `${base}/file`, daemon.logPath("x.log"), `${base}/copies`, "3");
        const warnings = () =>
          daemon.events.filter(
            ({ msg, path }) => msg === "StreamUntrusted" && path === `${base}/pipe`,
          ).length;
        await waitFor("the warning", () => warnings() > 0);
        for (const limit of ["65537", "65538", "65536"]) {
          await xs("xenstore-write", `${base}/limit`, limit);
        }
        assert.equal(await streamOf(daemon, 7), undefined);
        assert.ok(!existsSync(daemon.logPath("x.log")));
        // Put right, it is one: the chmod is an event.
        await xs("xenstore-chmod", `${base}/pipe`, "n0");
        await waitFor("ready", async () => (await streamOf(daemon, 7))?.state === "ready");
        assert.equal(warnings(), 1, "said once, however often it is looked at");
        closeSync(pipe.writer);
      }));

    // contract: C62, C66
    it("what a dead domain leaves behind is collected, and its log is kept", () =>
      withHost(kind, async ({ daemon, xenstored, xs }) => {
        await xenstored.introduceDomain(9);
        const pipe = makePipe(daemon, "p9-0123456789abcdef");
        const file = daemon.logPath("vm9-qemu.log");
        await writeRequest(xs, "/libxl/9/logging/1", pipe.path, file);
        // One that was never introduced: its nodes may well come before it does.
        const other = makePipe(daemon, "p10-0123456789abcdef");
        await writeRequest(xs, "/libxl/10/logging/1", other.path, daemon.logPath("vm10-qemu.log"));
        await waitFor("ready", async () => {
          const streams = await daemon.control.streams({ all: false });
          return streams.filter((stream) => stream.state === "ready").length === 2;
        });
        writeSync(pipe.writer, "kept\n");
        await xenstored.destroyDomain(9);
        await waitFor("collected", () => daemon.events.some(({ msg }) => msg === "NodesCollected"));
        closeSync(pipe.writer);
        await waitFor("closed", async () => (await streamOf(daemon, 9))?.state === "closed");
        assert.equal(readFileSync(file, "utf8"), "kept\n");
        assert.equal((await streamOf(daemon, 10))?.state, "ready");
        assert.ok(!(await xs("xenstore-list", "/libxl/9")).includes("logging"));
        closeSync(other.writer);
      }));
  });
}

describe("when xenstored goes", { skip }, () => {
  // contract: C70
  it("and comes back empty, no stream of twenty is closed and no byte is lost", async () => {
    if (!parts.found) throw new Error(parts.reason);
    const dir = await newDirectory();
    let xenstored = await startXenstored({ kind: "c", dir, parts });
    await using daemon = TestDaemon.onHost(xenstored.socketPath);
    await daemon.start();
    const xenstore = await daemon.xenstore();
    const streams = Array.from({ length: 20 }, (_, index) => index + 1);
    const handles: LogfileHandle[] = [];
    for (const domid of streams) {
      handles.push(await createLogfile({ ...requestOf(daemon, domid), xenstore }));
    }
    const writers = handles.map((handle) => handle.open());
    const say = (text: string): void => {
      for (const writer of writers) writeSync(writer, text);
    };
    say("before\n");
    await xenstored.kill("SIGKILL");
    say("without\n");
    xenstored = await startXenstored({ kind: "c", dir, parts });
    await waitFor("the new store", async () => {
      return daemon.events.filter(({ msg }) => msg === "XenstoreConnected").length === 2;
    });
    const xs = xenstoreTools(xenstored.socketPath);
    // The toolstack writes one of them again; for the others nobody does.
    const [first] = handles;
    assert.ok(first !== undefined);
    await writeRequest(xs, "/libxl/1/logging/1", first.pipe, first.file);
    await waitFor("announced again", async () => {
      return (await xs("xenstore-ls", "/libxl/1/logging/1")).includes('state = "ready"');
    });
    say("after\n");
    for (const handle of handles) {
      await waitFor(
        handle.file,
        () => readFileSync(handle.file, "utf8") === "before\nwithout\nafter\n",
      );
    }
    // Without a writer, too: there was no order to close.
    for (const writer of writers.slice(10)) closeSync(writer);
    sayTo(writers.slice(0, 10), "still\n");
    const open = await daemon.control.streams({ all: false });
    assert.equal(open.filter(({ state }) => state === "ready").length, 20);
    assert.equal(daemon.events.filter(({ msg }) => msg === "StreamClosed").length, 0);
    // Removed where they were written again: that is one.
    await xs("xenstore-rm", "/libxl/1");
    closeSync(writers[0] ?? -1);
    await waitFor("closed", async () => (await streamOf(daemon, 1))?.state === "closed");
    for (const writer of writers.slice(1, 10)) closeSync(writer);
    await xenstored.stop();
  });

  // contract: C99
  it("because it starts after the daemon and logs through it, there is no deadlock", async () => {
    if (!parts.found) throw new Error(parts.reason);
    const dir = await newDirectory();
    await using daemon = TestDaemon.onHost(join(dir, "socket"));
    await daemon.start();
    assert.equal((await daemon.control.status()).xenstore, "lost");
    // Its trace goes into a FIFO that is registered once xenstored is there to say so.
    const pipe = makePipe(daemon, "xenstored-0123456789abcdef");
    await using xenstored = await startXenstored({
      kind: "c",
      dir,
      parts,
      args: ["-T", pipe.path],
    });
    const xs = xenstoreTools(xenstored.socketPath);
    const file = daemon.logPath("host-xenstored.log");
    await writeRequest(xs, "/libxl/logging/1", pipe.path, file);
    await waitFor("ready", async () => (await streamOf(daemon, null))?.state === "ready");
    await daemon.kill(daemon.mainPid, daemon.pumpPid);
    // Every request is traced: a busy client fills the FIFO, and xenstored waits for its reader.
    const busy = (async () => {
      for (let request = 0; request < 400; request += 1) await xs("xenstore-list", "/");
    })();
    await waitFor("a full FIFO", () => bytesReadable(pipe.writer) > 65_536 - 4096);
    // The daemon needs xenstored, which waits for the daemon: the table says where the bytes go.
    await daemon.start();
    await busy;
    await waitFor("ready again", async () => (await streamOf(daemon, null))?.state === "ready");
    assert.match(wholeLog(file).toString("latin1"), /DIRECTORY/);
    closeSync(pipe.writer);
  });

  it("four processes make and close 200 logs at once, and nothing is left", async () => {
    if (!parts.found) throw new Error(parts.reason);
    const dir = await newDirectory();
    await using xenstored = await startXenstored({ kind: "c", dir, parts });
    await using daemon = TestDaemon.onHost(xenstored.socketPath);
    await daemon.start();
    const cycler = fileURLToPath(new URL("../integration/toolstack/cycler.ts", import.meta.url));
    const ends = ["a", "b", "c", "d"].map(async (name) => {
      const args = [cycler, xenstored.socketPath, daemon.fifoDirectory, name, "50"];
      const child = spawn(process.execPath, args, {
        env: { ...process.env, XEN_LOG_DIR: join(daemon.directory, "log") },
        stdio: ["ignore", "inherit", "inherit"],
      });
      return (await once(child, "exit"))[0];
    });
    assert.deepEqual(await Promise.all(ends), [0, 0, 0, 0]);
    await waitFor("nothing left", async () => {
      return (await daemon.control.streams({ all: false })).length === 0;
    });
    assert.deepEqual(readdirSync(daemon.fifoDirectory), []);
    assert.deepEqual(await (await daemon.xenstore()).directory("/libxl"), []);
  });

  it("an orphaned FIFO is collected after an hour, one that is in use is not", async () => {
    if (!parts.found) throw new Error(parts.reason);
    const dir = await newDirectory();
    await using xenstored = await startXenstored({ kind: "c", dir, parts });
    await using daemon = TestDaemon.onHost(xenstored.socketPath);
    mkdirSync(daemon.fifoDirectory, { recursive: true });
    const used = makePipe(daemon, "used-0123456789abcdef");
    const hourAgo = Date.now() / 1000 - 3601;
    for (const [name, age] of [
      ["orphan-0123456789abcdef", hourAgo],
      ["young-0123456789abcdef", hourAgo + 600],
    ] as const) {
      makeFifo(join(daemon.fifoDirectory, name), 0o600);
      utimesSync(join(daemon.fifoDirectory, name), age, age);
    }
    utimesSync(used.path, hourAgo, hourAgo);
    await daemon.start();
    await waitFor("collected", () => daemon.events.some(({ msg }) => msg === "FifosCollected"));
    assert.deepEqual(readdirSync(daemon.fifoDirectory).sort(), [
      "used-0123456789abcdef",
      "young-0123456789abcdef",
    ]);
    closeSync(used.writer);
  });
});

function sayTo(writers: readonly number[], text: string): void {
  for (const writer of writers) writeSync(writer, text);
}

function requestOf(daemon: TestDaemon, domid: number) {
  return {
    domid,
    file: daemon.logPath(`vm${domid}-qemu.log`),
    fifoDirectory: daemon.fifoDirectory,
    limitBytes: 65_536,
    copies: 3,
  };
}

async function writeRequest(
  xs: Host["xs"],
  base: string,
  pipe: string,
  file: string,
): Promise<void> {
  const values = { pipe, file, limit: "65536", copies: "3" };
  const words = Object.entries(values).flatMap(([node, value]) => [`${base}/${node}`, value]);
  await xs("xenstore-write", ...words);
}

/** Writes all of it in a process of its own: the pipe may be full in between. */
async function writeAll(fd: number, bytes: Buffer): Promise<void> {
  const writer = spawn("cat", [], { stdio: ["pipe", fd, "inherit"] });
  writer.stdin?.end(bytes);
  assert.deepEqual(await once(writer, "exit"), [0, null]);
}
