// SPDX-License-Identifier: Apache-2.0
// A real systemd that runs one unit of ours and nothing else, as PID 1 of its own namespaces.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readlinkSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { readOrEmpty } from "./cli.ts";
import { debianProgram, type Part, unpackedDebian } from "./debian.ts";
import { waitFor } from "./wait.ts";

const execute = promisify(execFile);
const repository = fileURLToPath(new URL("../..", import.meta.url));
const script = join(repository, "test/support/systemd-root.sh");
const slice = "/sys/fs/cgroup/system.slice";

export interface Unit {
  readonly name: string;
  readonly text: string;
  /** A drop-in that fits it to the test. */
  readonly dropIn: string;
}

/** Empty ones: units of the host depend on them by default. */
const targets = ["sysinit", "basic", "shutdown", "multi-user"];

/** Whether one can run here. */
export async function systemdPart(): Promise<Part<{ readonly program: string }>> {
  if (process.getuid?.() !== 0) return { found: false, reason: "a systemd of its own needs root" };
  const found = await debianProgram("systemd");
  return found.found ? { found: true, program: "lib/systemd/systemd" } : found;
}

export class Systemd implements AsyncDisposable {
  readonly #directory: string;
  readonly #name: string;
  readonly #unshare: ChildProcess;
  readonly #pid: number;

  private constructor(directory: string, name: string, unshare: ChildProcess, pid: number) {
    this.#directory = directory;
    this.#name = name;
    this.#unshare = unshare;
    this.#pid = pid;
  }

  /** In a directory that is the same inside and outside; starts the unit. */
  static async start(directory: string, unit: Unit): Promise<Systemd> {
    writeUnits(join(directory, "units"), unit);
    const name = `xenlogd-test-${process.pid}-${Date.now()}`;
    const binds = [directory, repository, dirname(realpathSync(process.execPath))];
    const args = [
      script,
      "start",
      name,
      directory,
      unpackedDebian,
      "lib/systemd/systemd",
      ...binds,
    ];
    const unshare = spawn("unshare", ["--mount", "sh", ...args], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    const pid = await waitFor("systemd", () => {
      if (unshare.exitCode !== null) throw new Error("systemd could not be started");
      const children = readOrEmpty(`/proc/${unshare.pid}/task/${unshare.pid}/children`);
      const child = children.trim();
      return readOrEmpty(`/proc/${child}/cmdline`).startsWith("/lib/systemd") && Number(child);
    });
    const systemd = new Systemd(directory, name, unshare, pid);
    await waitFor("systemctl", () =>
      systemd.systemctl("is-active", "test.target").then(
        () => true,
        () => false,
      ),
    );
    return systemd;
  }

  async systemctl(...args: string[]): Promise<string> {
    return (await this.#inside("systemctl", "--no-pager", ...args)).trim();
  }

  async property(unit: string, name: string): Promise<string> {
    return await this.systemctl("show", "--value", "-p", name, unit);
  }

  /** SIGKILL for all processes of the unit at the same instant. */
  async killAll(unit: string): Promise<void> {
    await this.#inside("sh", "-c", `echo 1 >${slice}/${unit}/cgroup.kill`);
  }

  /** Pids, as they are inside, of the unit's processes. */
  async processes(unit: string): Promise<readonly number[]> {
    const text = await this.#inside("sh", "-c", `cat ${slice}/${unit}/cgroup.procs || true`);
    return text.split("\n").filter(Boolean).map(Number);
  }

  /** A thread of the unit sleeps where no signal wakes it. */
  async hangs(unit: string): Promise<boolean> {
    const stats = (await this.processes(unit)).map((pid) => `/proc/${pid}/task/*/stat`);
    const command = `cat ${stats.join(" ")} 2>/dev/null || true`;
    return / D /.test(await this.#inside("sh", "-c", command));
  }

  /** The pid outside of a process that has this one inside. */
  outerPid(inner: number): number {
    const namespace = readlinkSync(`/proc/${this.#pid}/ns/pid`);
    const found = readdirSync("/proc").find((pid) => {
      const ids = /^NSpid:(.*)$/m
        .exec(readOrEmpty(`/proc/${pid}/status`))?.[1]
        ?.trim()
        .split(/\s+/);
      return ids?.at(-1) === String(inner) && readlinkSync(`/proc/${pid}/ns/pid`) === namespace;
    });
    if (found === undefined) throw new Error(`there is no process ${inner} inside`);
    return Number(found);
  }

  /** SIGKILL, by the pid that the process has inside. */
  async kill(pid: number): Promise<void> {
    await this.#inside("kill", "-KILL", String(pid));
  }

  async #inside(...command: string[]): Promise<string> {
    const args = ["-t", String(this.#pid), "--mount", "--pid", "--cgroup", "--", ...command];
    return (await execute("nsenter", args, { timeout: 15_000 })).stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#unshare.exitCode === null) {
      this.#unshare.kill("SIGKILL");
      await once(this.#unshare, "exit");
    }
    await execute("unshare", ["--mount", "sh", script, "clean", this.#name, this.#directory]);
  }
}

function writeUnits(directory: string, { name, text, dropIn }: Unit): void {
  mkdirSync(join(directory, `${name}.d`), { recursive: true });
  writeFileSync(join(directory, name), text);
  writeFileSync(join(directory, `${name}.d`, "test.conf"), dropIn);
  for (const target of targets) {
    writeFileSync(join(directory, `${target}.target`), "[Unit]\nDefaultDependencies=no\n");
  }
  writeFileSync(join(directory, "test.target"), `[Unit]\nWants=${name}\nDefaultDependencies=no\n`);
}
