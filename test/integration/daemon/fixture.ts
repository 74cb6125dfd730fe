// SPDX-License-Identifier: Apache-2.0
// A daemon that bad things happen to: full disks, processes that are stopped or killed at a chosen
// moment, writers that are heard to the last byte. At its end nothing of it is left, or the test fails.

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Domid } from "../../../src/contract/index.ts";
import { bytesReadable, errnoNameOf, openPath } from "../../../src/kernel/index.ts";
import {
  createLogfile,
  introduceDomain,
  type LogfileHandle,
} from "../../../src/toolstack/index.ts";
import { chainOf, chainSizes } from "../../support/chain.ts";
import { processesIn, readOrEmpty } from "../../support/cli.ts";
import {
  isRunning,
  TestDaemon,
  type VaultProcessState,
  vaultPidIn,
  vaultProcessesIn,
} from "../../support/daemon.ts";
import { compileC } from "../../support/programs.ts";
import { waitFor } from "../../support/wait.ts";

const floodProgram = await compileC("test/support/programs/flood.c");
const verifyProgram = await compileC("test/support/programs/verify.c");

/** Reasons to skip a test that needs the part. */
export const noFlood: string | false = floodProgram.found ? false : floodProgram.reason;
export const noMount: string | false =
  process.getuid?.() === 0 ? false : "mounting a small file system needs root";

/** A flood's log: rotated often, and long enough for all that a test floods. */
const floodLimit = { limitBytes: 16 << 20, copies: 200 };

/** What a full disk is full of. */
const fillerName = ".filler";

export interface StreamOptions {
  readonly file?: string;
  readonly limitBytes?: number;
  readonly copies?: number;
  readonly overflow?: "auto" | "block" | "drop";
  readonly rateBytesPerSecond?: number;
  readonly burstBytes?: number;
  /** False for a request that is only written. */
  readonly wait?: boolean;
  /** Of a domain that is there already. */
  readonly domid?: Domid;
}

/** A writer that floods its FIFO, and how much it got rid of. */
export interface Flood {
  readonly file: string;
  /** Ends it; the bytes that write(2) has accepted. Another writer keeps the FIFO. */
  stop(): Promise<number>;
}

/** A small file system of its own in the place of one of the daemon's directories. */
export interface Disk {
  readonly path: string;
  /** Takes all room there is. */
  fill(): void;
  /** Gives it back. */
  free(): void;
}

export class Bench implements AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly #mounts: string[] = [];
  readonly #cleanUps: (() => void)[] = [];
  readonly #writers = new Set<number>();
  readonly #floods: ChildProcess[] = [];
  readonly #vaultPids = new Set<number>();

  private constructor(daemon: TestDaemon) {
    this.daemon = daemon;
  }

  /** Not started yet. */
  static prepare(): Bench {
    return new Bench(TestDaemon.embedded());
  }

  static async start(): Promise<Bench> {
    const bench = Bench.prepare();
    await bench.daemon.start();
    return bench;
  }

  get tableDirectory(): string {
    return this.daemon.tableDirectory;
  }

  /** A tmpfs for `log` or `state/table`, before the daemon starts. */
  mount(name: "log" | "state/table", options: string): Disk {
    const path = join(this.daemon.directory, name);
    mkdirSync(path, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", `mode=0700,${options}`, "xenlogd-test", path]);
    this.#mounts.push(path);
    const filler = join(path, fillerName);
    return { path, fill: () => fillUp(filler), free: () => rmSync(filler, { force: true }) };
  }

  /** Called at the end, when no process of the daemon is left. */
  defer(cleanUp: () => void): void {
    this.#cleanUps.push(cleanUp);
  }

  /** A domain of that name if none is given, and its log. */
  async stream(name: string, options: StreamOptions = {}): Promise<LogfileHandle> {
    const xenstore = await this.daemon.xenstore();
    return await createLogfile({
      xenstore,
      domid: options.domid ?? (await introduceDomain(xenstore, name)),
      file: this.daemon.logPath(`${name}.log`),
      fifoDirectory: this.daemon.fifoDirectory,
      limitBytes: 1 << 20,
      copies: 1,
      // A test that is slow loses nothing.
      overflow: "block",
      ...options,
    });
  }

  /** A writer as QEMU is one; closed at the end of the test, if not before. */
  writer(handle: LogfileHandle): number {
    const fd = handle.open();
    this.#writers.add(fd);
    return fd;
  }

  closeWriter(fd: number): void {
    this.#writers.delete(fd);
    closeSync(fd);
  }

  /** Writes into a FIFO that it opens, and lets go of it. */
  say(handle: LogfileHandle, text: string): void {
    const fd = handle.open();
    writeSync(fd, text);
    closeSync(fd);
  }

  async flood(name: string, file?: string): Promise<Flood> {
    const handle = await this.stream(name, { ...floodLimit, ...(file && { file }) });
    this.writer(handle);
    const witness = join(this.daemon.directory, `${name}.witness`);
    assert.ok(floodProgram.found);
    const child = spawn(floodProgram.path, ["-p", "1048576", "-w", witness, handle.pipe, "0"], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    this.#floods.push(child);
    return {
      file: handle.file,
      stop: async () => {
        child.kill("SIGTERM");
        await once(child, "exit");
        return Number(readFileSync(witness).readBigUInt64LE(0));
      },
    };
  }

  /** Stops the pump, and returns when it stands still. */
  async freezePump(): Promise<number> {
    const pid = this.daemon.pumpPid;
    process.kill(pid, "SIGSTOP");
    await waitFor("a pump that stands still", () => standsStill(pid));
    return pid;
  }

  /** Stops the pump at a moment when a stage has bytes. The pump's pid. */
  async freezePumpWithBytes(): Promise<number> {
    return await waitFor("bytes in a stage", async () => {
      const pid = await this.freezePump();
      if (this.stagedBytes() > 0) return pid;
      process.kill(pid, "SIGCONT");
      return undefined;
    });
  }

  /** Bytes in all stages. Only while their pump is stopped or dead. */
  stagedBytes(): number {
    let bytes = 0;
    for (const { process: vault, stages } of this.vaultProcesses()) {
      for (const { fd } of stages) {
        const flags = constants.O_RDONLY | constants.O_NONBLOCK;
        const stage = openPath(`/proc/${vault.pid}/fd/${fd}`, flags);
        bytes += bytesReadable(stage);
        closeSync(stage);
      }
    }
    return bytes;
  }

  vaultProcesses(): readonly VaultProcessState[] {
    const states = vaultProcessesIn(this.tableDirectory);
    for (const state of states) this.#vaultPids.add(state.process.pid);
    return states;
  }

  /** SIGTERM, until the main process has begun to stop. */
  async beginStop(): Promise<void> {
    const { daemon } = this;
    process.kill(daemon.mainPid, "SIGTERM");
    // A request that comes after the signal is answered after it: signals come last in a turn.
    for (let round = 0; round < 2; round += 1) await daemon.control.status().catch(() => {});
  }

  /** Does it, and waits for the pump that comes next. */
  async untilNextPump(act: () => Promise<void>): Promise<void> {
    const before = this.count("PumpStarted");
    await act();
    await waitFor("the next pump", () => this.count("PumpStarted") > before);
  }

  /** Events of that kind, of all daemons so far. */
  count(msg: string): number {
    return this.daemon.events.filter((event) => event.msg === msg).length;
  }

  /** Waits until the log has all that the flood got rid of, and looks at every byte. */
  async assertWhole(flood: Flood, bytes: number): Promise<void> {
    assert.ok(verifyProgram.found);
    await waitFor(`${bytes} bytes in ${flood.file}`, () => {
      return chainSizes(flood.file).reduce((sum, size) => sum + size, 0) >= bytes;
    });
    const result = spawnSync(verifyProgram.path, chainOf(flood.file), { encoding: "utf8" });
    const { ok, start, end } = JSON.parse(result.stdout) as Record<string, unknown>;
    assert.deepEqual({ ok, start, end }, { ok: true, start: 0, end: bytes }, result.stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const flood of this.#floods) flood.kill("SIGKILL");
    for (const fd of this.#writers) closeSync(fd);
    for (const path of this.#mounts) rmSync(join(path, fillerName), { force: true });
    const { daemon } = this;
    this.vaultProcesses();
    const pumps = daemon.events.map(({ msg, pid }) => (msg === "PumpStarted" ? (pid ?? 0) : 0));
    for (const pid of pumps.filter((pump) => pump > 0 && isRunning(pump))) {
      process.kill(pid, "SIGCONT");
    }
    try {
      // A killed daemon leaves its store and vault: its successor takes them down.
      const { mainPid } = daemon;
      if (!isRunning(mainPid)) await daemon.start();
    } catch {
      // It has ended in order. Writers that were there then had their FIFOs kept for a successor.
      if (vaultPidIn(this.tableDirectory) !== undefined) await daemon.start();
    }
    await daemon.stop();
    this.vaultProcesses();
    for (const path of this.#mounts) execFileSync("umount", ["-l", path]);
    // A process that was sent SIGKILL a moment ago may still be there.
    const find = (): readonly number[] => {
      const known = [...pumps.filter((pid) => pid > 0), ...this.#vaultPids].filter(isRunning);
      return [...known, ...processesIn(daemon.directory)];
    };
    await waitFor("no process", () => find().length === 0, 2000).catch(() => undefined);
    const left = find();
    const names = left.map((pid) => readOrEmpty(`/proc/${pid}/cmdline`).replaceAll("\0", " "));
    for (const pid of left) process.kill(pid, "SIGKILL");
    for (const cleanUp of this.#cleanUps) cleanUp();
    await daemon[Symbol.asyncDispose]();
    assert.deepEqual(names, [], "processes were left behind");
  }
}

/** Pids of the pumps that this main process has started and that still run. */
export function pumpsOf(mainPid: number): readonly number[] {
  return readOrEmpty(`/proc/${mainPid}/task/${mainPid}/children`)
    .split(" ")
    .filter((pid) => /\/pump\.[jt]s/.test(readOrEmpty(`/proc/${pid}/cmdline`)))
    .map(Number);
}

/** How often the process's main thread went to sleep. */
export function wakeUps(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]);
}

/** All threads are stopped. */
export function standsStill(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) => {
    return statFields(`/proc/${pid}/task/${thread}/stat`)[0] === "T";
  });
}

/** Fields of proc_pid_stat(5) from the third on. */
function statFields(path: string): readonly string[] {
  try {
    const stat = readFileSync(path, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}

export function fillUp(path: string): void {
  const fd = openSync(path, "a");
  const page = Buffer.alloc(4096);
  try {
    for (;;) writeSync(fd, page);
  } catch (error) {
    if (errnoNameOf(error) !== "ENOSPC") throw error;
  } finally {
    closeSync(fd);
  }
}
