// SPDX-License-Identifier: Apache-2.0
// A real embedded daemon in a directory of its own, which a test may kill and start again.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ControlClient, controlClient } from "../../src/control/index.ts";
import { connectXenstore, type XenstoreClient } from "../../src/xenstore/index.ts";
import { ourProgram } from "./target.ts";
import { waitFor } from "./wait.ts";

/** A line of the daemon's own log. */
export interface LoggedEvent {
  readonly msg: string;
  readonly pid?: number;
  readonly bytes?: number;
  readonly [field: string]: unknown;
}

/** Where a daemon keeps what tests look at. */
interface TestPlaces {
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly xenstoreSocket: string;
  readonly ownRun: string;
  readonly tableDirectory: string;
  readonly logDirectory: string;
}

export class TestDaemon implements AsyncDisposable {
  readonly directory: string;
  /** All daemons of this directory, in order. */
  readonly events: LoggedEvent[] = [];
  readonly control: ControlClient;
  /** A descriptor for the next daemon's stderr, instead of `events`. */
  stderr: number | "pipe" = "pipe";
  readonly #places: TestPlaces;
  #child: ChildProcess | undefined;
  #xenstore: Promise<XenstoreClient> | undefined;
  #words = "";

  private constructor(directory: string, places: TestPlaces) {
    this.directory = directory;
    this.#places = places;
    this.control = controlClient(join(places.ownRun, "control.sock"));
  }

  /** An embedded daemon in a new directory. */
  static async start(...args: string[]): Promise<TestDaemon> {
    const daemon = TestDaemon.embedded(...args);
    await daemon.start();
    return daemon;
  }

  /** An embedded daemon in a new directory; not started yet. */
  static embedded(...args: string[]): TestDaemon {
    const directory = mkdtempSync(join(tmpdir(), "xenlogd-test-"));
    return new TestDaemon(directory, {
      args: ["--embedded", "--dir", directory, ...args],
      env: { ...process.env, XENLOGD_CONFIG: "" },
      xenstoreSocket: join(directory, "run/xenstored.sock"),
      ownRun: join(directory, "run"),
      tableDirectory: join(directory, "state/table"),
      logDirectory: join(directory, "log"),
    });
  }

  /** A daemon as on a Xen host, for the xenstored at `xenstoreSocket`; not started yet. */
  static onHost(xenstoreSocket: string): TestDaemon {
    const directory = mkdtempSync(join(tmpdir(), "xenlogd-host-"));
    const [run, log] = [join(directory, "run"), join(directory, "log")];
    mkdirSync(run);
    mkdirSync(log);
    return new TestDaemon(directory, {
      // Not what this host has in /etc.
      args: ["--config", "/dev/null"],
      env: { ...process.env, XENSTORED_PATH: xenstoreSocket, XEN_RUN_DIR: run, XEN_LOG_DIR: log },
      xenstoreSocket,
      ownRun: join(run, "xenlogd"),
      tableDirectory: join(run, "xenlogd/table"),
      logDirectory: join(log, "xenlogd"),
    });
  }

  get fifoDirectory(): string {
    return join(this.#places.ownRun, "fifo");
  }

  get tableDirectory(): string {
    return this.#places.tableDirectory;
  }

  get environment(): NodeJS.ProcessEnv {
    return this.#places.env;
  }

  get xenstoreSocket(): string {
    return this.#places.xenstoreSocket;
  }

  logPath(name: string): string {
    return join(this.#places.logDirectory, name);
  }

  /**
   * Starts it, or its successor, and waits until it is ready. `limits` are options of prlimit(1), such
   * as `--nofile=256:256`.
   */
  async start(...limits: readonly string[]): Promise<void> {
    const [node, program] = ourProgram("xenlogd");
    const own = [node, program, ...this.#places.args, "--notify-fd", "3"];
    const [command = "", ...args] = limits.length > 0 ? ["prlimit", ...limits, ...own] : own;
    const child = spawn(command, args, {
      stdio: ["ignore", "ignore", this.stderr, "pipe"],
      env: this.#places.env,
    });
    this.#child = child;
    if (child.stderr !== null) {
      // Not readline, for which U+2028 ends a line as well.
      let rest = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          if (line.startsWith("{")) this.events.push(JSON.parse(line) as LoggedEvent);
          else this.#words += `${line}\n`;
        }
      });
    }
    const notices = child.stdio[3];
    if (notices === null || notices === undefined || !("setEncoding" in notices)) {
      throw new Error("no notify descriptor");
    }
    const [notice] = (await once(notices.setEncoding("utf8"), "data", {
      signal: AbortSignal.timeout(20_000),
    })) as [string];
    if (!notice.includes("ready")) throw new Error(`daemon: ${notice}${this.#words}`);
  }

  get mainPid(): number {
    return Number(readFileSync(join(this.#places.ownRun, "xenlogd.pid"), "utf8"));
  }

  /** The pump that was started last. */
  get pumpPid(): number {
    return this.events.filter((event) => event.msg === "PumpStarted").at(-1)?.pid ?? 0;
  }

  /** One connection, however many ask for it at once. */
  xenstore(): Promise<XenstoreClient> {
    this.#xenstore ??= connectXenstore({
      socketPath: this.#places.xenstoreSocket,
    });
    return this.#xenstore;
  }

  /** The store is gone with its clients: the next call connects to another one. */
  async forgetXenstore(): Promise<void> {
    await (await this.#xenstore)?.close();
    this.#xenstore = undefined;
  }

  /** SIGKILL, and until it is gone. */
  async kill(...pids: number[]): Promise<void> {
    for (const pid of pids) if (isRunning(pid)) process.kill(pid, "SIGKILL");
    for (const pid of pids) await waitFor(`the end of ${pid}`, () => !isRunning(pid));
  }

  /** SIGTERM; resolves with the exit code. */
  async stop(): Promise<number | null> {
    const child = this.#child;
    await this.forgetXenstore();
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return null;
    child.kill("SIGTERM");
    await once(child, "exit");
    return child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A killed daemon leaves its store and vault: its successor takes them down.
    if (this.#child !== undefined && this.#child.signalCode !== null) await this.start();
    await this.stop();
    // A writer that the test still has is why it stays; the test's process ends soon.
    const vault = vaultPidIn(this.tableDirectory);
    if (vault !== undefined) await this.kill(vault);
    rmSync(this.directory, { recursive: true });
  }
}

/** False for zombies too. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3) !== "Z";
  } catch {
    return false;
  }
}

/** A detached process that keeps descriptors, as the state file has it. */
export interface VaultProcessState {
  readonly token: string;
  readonly process: { readonly pid: number };
  readonly stages: readonly { readonly fd: number; readonly inode: number }[];
}

/** The detached processes that the table of a daemon knows of, running or not; the newest first. */
export function vaultProcessesIn(tableDirectory: string): readonly VaultProcessState[] {
  try {
    const text = readFileSync(join(tableDirectory, "vault.json"), "utf8");
    return (JSON.parse(text) as { processes: readonly VaultProcessState[] }).processes;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** The newest of them, if it runs. */
export function vaultPidIn(tableDirectory: string): number | undefined {
  const [pid] = vaultProcessesIn(tableDirectory).map((vault) => vault.process.pid);
  return pid !== undefined && isRunning(pid) ? pid : undefined;
}

/** How many FIFO ends are in flight into the process: the queue of its socket. */
export function endsKeptBy(pid: number): number {
  const info = readFileSync(`/proc/${pid}/fdinfo/4`, "latin1");
  return Number(/^scm_fds:\s+(\d+)$/m.exec(info)?.[1]);
}
