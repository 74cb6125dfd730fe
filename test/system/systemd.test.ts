// SPDX-License-Identifier: Apache-2.0
// The shipped unit under a real systemd: everything of ours is killed at the same instant, and what
// pipes held comes back from the descriptor store.

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type ControlClient, controlClient } from "../../src/control/index.ts";
import { bytesReadable } from "../../src/kernel/index.ts";
import { createLogfile, introduceDomain, type LogfileHandle } from "../../src/toolstack/index.ts";
import { connectXenstore, type XenstoreClient } from "../../src/xenstore/index.ts";
import { standsStill } from "../integration/daemon/fixture.ts";
import { chainOf } from "../support/chain.ts";
import { type LoggedEvent, vaultProcessesIn } from "../support/daemon.ts";
import { debianProgram } from "../support/debian.ts";
import { compileC } from "../support/programs.ts";
import { Systemd, systemdPart } from "../support/systemd.ts";
import { ourProgram } from "../support/target.ts";
import { waitFor } from "../support/wait.ts";

const part = await systemdPart();
const flood = await compileC("test/support/programs/flood.c");
const verify = await compileC("test/support/programs/verify.c");
const missing = [part, flood, verify].find((each) => !each.found);
const skip = missing?.found === false ? missing.reason : false;

const unit = "xenlogd.service";
const text = readFileSync(new URL("../../packaging/xenlogd.service", import.meta.url), "utf8");
const stagesMax = 8;

/** A host with the unit, and an xenstored that is not part of it. */
class Host implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), "xenlogd-sd-"));
  readonly #stack = new AsyncDisposableStack();
  #systemd: Systemd | undefined;
  #disk: "well" | "frozen" = "well";
  #xenstore: XenstoreClient | undefined;

  static async start(prepare: (host: Host) => string = () => ""): Promise<Host> {
    const host = new Host();
    try {
      for (const name of ["run", "log"]) mkdirSync(join(host.directory, name));
      host.#stack.defer(() => rmSync(host.directory, { recursive: true }));
      await host.#start(prepare(host));
      return host;
    } catch (error) {
      await host[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(settings: string): Promise<void> {
    const { directory } = this;
    const socketPath = join(directory, "xenstored.sock");
    const [node, xenlog] = ourProgram("xenlog");
    const args = ["xenstored", "--socket", socketPath, "--state", join(directory, "store")];
    const store = spawn(node, [xenlog, ...args], { stdio: "ignore" });
    this.#stack.defer(async () => {
      store.kill("SIGTERM");
      await once(store, "exit");
    });
    await waitFor("the store", () => existsSync(socketPath));
    this.#xenstore = this.#stack.use(await connectXenstore({ socketPath }));
    const dropIn = dropInFor(directory, socketPath) + settings;
    this.#systemd = this.#stack.use(await Systemd.start(directory, { name: unit, text, dropIn }));
    await this.untilActive();
  }

  /** A disk of its own for the logs, which can hang; before systemd sees the directory. */
  mountLogs(): void {
    const [image, log] = [join(this.directory, "disk"), join(this.directory, "log")];
    writeFileSync(image, "");
    truncateSync(image, 256 << 20);
    execFileSync("mkfs.ext4", ["-q", "-F", image]);
    execFileSync("mount", ["-o", "loop", image, log]);
    this.#stack.defer(() => void execFileSync("umount", ["-l", log]));
    this.#stack.defer(() => this.thaw());
  }

  /** From now on whoever writes a log sleeps where no signal wakes it (but before it locks a pipe). */
  freeze(): void {
    execFileSync("fsfreeze", ["--freeze", join(this.directory, "log")]);
    this.#disk = "frozen";
  }

  thaw(): void {
    if (this.#disk === "frozen")
      execFileSync("fsfreeze", ["--unfreeze", join(this.directory, "log")]);
    this.#disk = "well";
  }

  get control(): ControlClient {
    return controlClient(join(this.directory, "run/xenlogd/control.sock"));
  }

  get systemd(): Systemd {
    assert.ok(this.#systemd);
    return this.#systemd;
  }

  /** Events of all daemons so far. */
  get events(): readonly LoggedEvent[] {
    const lines = readFileSync(join(this.directory, "events"), "utf8").split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as LoggedEvent);
  }

  count(msg: string): number {
    return this.events.filter((event) => event.msg === msg).length;
  }

  /** Stops the pump at a moment when a stage has bytes. */
  async freezePumpWithBytes(): Promise<void> {
    const pump = this.events.filter(({ msg }) => msg === "PumpStarted").at(-1)?.pid ?? 0;
    const pid = this.systemd.outerPid(pump);
    const table = join(this.directory, "run/xenlogd/table");
    const [{ process: vault, stages } = assert.fail("no vault")] = vaultProcessesIn(table);
    const vaultPid = this.systemd.outerPid(vault.pid);
    await waitFor("bytes in a stage", async () => {
      process.kill(pid, "SIGSTOP");
      await waitFor("a pump that stands still", () => standsStill(pid));
      const paths = stages.map(({ fd }) => `/proc/${vaultPid}/fd/${fd}`);
      if (paths.some((path) => bytesIn(path) > 0)) return true;
      process.kill(pid, "SIGCONT");
      return false;
    });
  }

  async untilActive(): Promise<void> {
    await waitFor("an active unit", async () => {
      return (await this.systemd.property(unit, "ActiveState")) === "active";
    });
  }

  async stored(): Promise<number> {
    return Number(await this.systemd.property(unit, "NFileDescriptorStore"));
  }

  async stream(name: string): Promise<LogfileHandle> {
    const xenstore = this.#xenstore;
    assert.ok(xenstore);
    return await createLogfile({
      xenstore,
      domid: await introduceDomain(xenstore, name),
      file: join(this.directory, `log/xenlogd/${name}.log`),
      fifoDirectory: join(this.directory, "run/xenlogd/fifo"),
      limitBytes: 16 << 20,
      copies: 200,
    });
  }

  async closed(handle: LogfileHandle): Promise<void> {
    await handle.close();
    await waitFor("the end of the stream", async () => {
      const live = await this.control.streams({ all: false });
      return live.every(({ file }) => file !== handle.file);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Only for a pipe whose owner stands still. */
function bytesIn(path: string): number {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return bytesReadable(fd);
  } finally {
    closeSync(fd);
  }
}

function dropInFor(directory: string, xenstoreSocket: string): string {
  const variables = {
    XENSTORED_PATH: xenstoreSocket,
    XEN_RUN_DIR: join(directory, "run"),
    XEN_LOG_DIR: join(directory, "log"),
  };
  return [
    "[Unit]",
    "ConditionPathExists=",
    "[Service]",
    "ExecStart=",
    `ExecStart=${ourProgram("xenlogd").join(" ")}`,
    ...Object.entries(variables).map(([name, value]) => `Environment=${name}=${value}`),
    `StandardError=append:${join(directory, "events")}`,
    "",
  ].join("\n");
}

/** A writer without mercy: it ends with an error if its FIFO is without a reader for an instant. */
class Flood implements Disposable {
  readonly #child: ChildProcess;
  readonly #host: Host;
  readonly #handle: LogfileHandle;
  readonly #witness: string;

  constructor(host: Host, handle: LogfileHandle) {
    assert.ok(flood.found);
    this.#host = host;
    this.#handle = handle;
    this.#witness = join(host.directory, "witness");
    const args = ["-O", "-r", "150", "-p", "1048576", "-w", this.#witness, handle.pipe, "0"];
    this.#child = spawn(flood.path, args, { stdio: ["ignore", "ignore", "inherit"] });
  }

  get accepted(): number {
    // Not there yet, or empty yet.
    const bytes = existsSync(this.#witness) ? readFileSync(this.#witness) : Buffer.alloc(0);
    return bytes.length < 8 ? 0 : Number(bytes.readBigUInt64LE(0));
  }

  async more(bytes: number): Promise<void> {
    const before = this.accepted;
    await waitFor("bytes", () => this.accepted > before + bytes);
    assert.equal(this.#child.exitCode, null, "the writer felt it");
  }

  /** Ends it; all that it wrote is in the log, once. */
  async endWhole(): Promise<number> {
    assert.ok(verify.found);
    this.#child.kill("SIGTERM");
    await once(this.#child, "exit");
    const { file } = this.#handle;
    const bytes = this.accepted;
    await waitFor("all bytes in the log", async () => {
      const streams = await this.#host.control.streams({ all: false });
      return streams.some((stream) => stream.file === file && stream.offset === bytes);
    });
    const result = spawnSync(verify.path, chainOf(file), { encoding: "utf8" });
    const { ok, start, end } = JSON.parse(result.stdout) as Record<string, unknown>;
    assert.deepEqual({ ok, start, end }, { ok: true, start: 0, end: bytes }, result.stdout);
    return bytes;
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}

/** Not the 20 s that a host can wait for a disk. */
const impatient = "TimeoutStopSec=1\n";

describe("under systemd", { skip }, () => {
  it("no byte is lost or doubled when all processes are killed at once", async (t) => {
    await using host = await Host.start();
    const { systemd } = host;
    using flood = new Flood(host, await host.stream("flooder"));
    const rounds = ["all", "all", "main", "all", "all"] as const;
    for (const [round, victim] of rounds.entries()) {
      await flood.more(4 << 20);
      await host.freezePumpWithBytes();
      if (victim === "all") await systemd.killAll(unit);
      else await systemd.kill(Number(await systemd.property(unit, "MainPID")));
      await waitFor("the next daemon", () => host.count("DaemonStarted") === round + 2);
    }
    await systemd.systemctl("restart", unit);
    await flood.more(4 << 20);
    const bytes = await flood.endWhole();
    const restored = host.count("StagesRestored");
    const recovered = host.count("StageRecovered");
    t.diagnostic(`${restored} pools restored, ${recovered} with bytes, ${bytes} bytes in all`);
    assert.equal(restored, rounds.length, "systemd ends the vault after the main process, too");
    assert.ok(recovered >= rounds.length, "a stage had bytes each time");
    assert.equal(host.count("StagesLost"), 0);
  });

  it("nor when all are killed while their disk hangs", async () => {
    await using host = await Host.start((each) => {
      each.mountLogs();
      return impatient;
    });
    const { systemd } = host;
    using flood = new Flood(host, await host.stream("flooder"));
    await flood.more(4 << 20);
    host.freeze();
    await waitFor("a pump that hangs", () => systemd.hangs(unit));
    await systemd.killAll(unit);
    await waitFor("the next daemon", () => host.count("DaemonStarted") === 2);
    assert.ok(await systemd.hangs(unit), "the pump before is still there");
    assert.equal((await host.control.streams({ all: false })).length, 1, "the next daemon answers");
    host.thaw();
    await flood.more(4 << 20);
    await flood.endWhole();
    assert.equal(host.count("StagesRestored"), 1);
  });

  it("a stop while the disk hangs does not hang systemd", async () => {
    await using host = await Host.start((each) => {
      each.mountLogs();
      return impatient;
    });
    const { systemd } = host;
    using flood = new Flood(host, await host.stream("flooder"));
    await flood.more(4 << 20);
    host.freeze();
    await waitFor("a pump that hangs", () => systemd.hangs(unit));
    await systemd.systemctl("stop", unit);
    assert.ok(await systemd.hangs(unit), "the pump is still there");
    assert.equal(await host.stored(), 0);
    assert.equal(await systemd.systemctl("is-active", "test.target"), "active");
    host.thaw();
    await waitFor("the end of the pump", async () => (await systemd.processes(unit)).length === 0);
    await systemd.systemctl("start", unit);
  });

  it("accepts the unit file", async (t) => {
    const analyze = await debianProgram("systemd-analyze");
    if (!analyze.found) return t.skip(analyze.reason);
    const directory = mkdtempSync(join(tmpdir(), "xenlogd-unit-"));
    t.after(() => rmSync(directory, { recursive: true }));
    // It looks for the program, which is not installed here.
    const path = join(directory, unit);
    writeFileSync(path, text.replace("/usr/bin/xenlogd", "/bin/true"));
    const { env } = analyze;
    const result = spawnSync(analyze.path, ["verify", path], { env, encoding: "utf8" });
    assert.equal(result.status, 0, result.stderr);
    const about = result.stderr.split("\n").filter((line) => line.includes(unit));
    const known = about.filter((line) => !line.includes("FileDescriptorStorePreserve"));
    assert.deepEqual(known, [], "but for a setting that is newer than this systemd");
  });

  it("the last words of a writer are kept while nothing of ours lives", async () => {
    await using host = await Host.start();
    const handle = await host.stream("last-words");
    const script = 'exec 3>"$1"; echo open; read go; echo last words >&3';
    const writer = spawn("sh", ["-c", script, "sh", handle.pipe], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(writer.stdout, "data");
    await host.systemd.killAll(unit);
    writer.stdin.end("go\n");
    const [code, signal] = await once(writer, "exit");
    assert.deepEqual([code, signal], [0, null]);
    await waitFor("the log", () => readFileSync(handle.file, "utf8") === "last words\n");
  });

  it("what is stored follows the streams, and an orderly stop leaves nothing", async () => {
    await using host = await Host.start();
    const { systemd } = host;
    assert.equal(await host.stored(), stagesMax);
    const [one, two] = [await host.stream("one"), await host.stream("two")];
    await waitFor("both FIFOs", async () => (await host.stored()) === stagesMax + 2);
    await systemd.killAll(unit);
    await waitFor("the next daemon", () => host.count("DaemonStarted") === 2);
    await host.untilActive();
    assert.equal(await host.stored(), stagesMax + 2, "inherited ones are not stored twice");
    await host.closed(one);
    await waitFor("one FIFO", async () => (await host.stored()) === stagesMax + 1);
    await systemd.systemctl("restart", unit);
    assert.equal(await host.stored(), stagesMax + 1, "stages are new, and the FIFO is kept");
    await host.closed(two);
    await systemd.systemctl("stop", unit);
    assert.equal(await systemd.property(unit, "Result"), "success");
    assert.deepEqual(await systemd.processes(unit), []);
    assert.equal(await host.stored(), 0);
    const bad = host.events.filter(({ level }) => level === "error");
    assert.deepEqual(bad, []);
  });
});
