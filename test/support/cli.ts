// SPDX-License-Identifier: Apache-2.0
// `xenlog` as a process, from the sources or from a build, in a place of its own that no host's
// xenstore or daemon can be reached from. What a test leaves behind there is killed by its pid.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ourProgram } from "./target.ts";
import { waitFor } from "./wait.ts";

const conditionMsMax = 30_000;

export interface XenlogOptions {
  readonly cwd?: string;
  /** Added to the test's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Written to its standard input, which then ends; without it there is none. */
  readonly stdin?: string;
  readonly name?: "xenlog" | "xenlogd";
}

export interface XenlogResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningXenlog {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly exited: Promise<XenlogResult>;
  /** What it has printed by now. */
  stdout(): string;
  stderr(): string;
}

/** Runs `xenlog` to its end. */
export function xenlog(
  args: readonly string[],
  options: XenlogOptions = {},
): Promise<XenlogResult> {
  return spawnXenlog(args, options).exited;
}

export function spawnXenlog(args: readonly string[], options: XenlogOptions = {}): RunningXenlog {
  const [program, script] = ourProgram(options.name ?? "xenlog");
  const child = spawn(program, [script, ...args], {
    cwd: options.cwd ?? tmpdir(),
    env: { ...process.env, ...isolation, ...options.env },
    stdio: [options.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      texts[name] += text;
    });
  }
  child.stdin?.end(options.stdin);
  return {
    child,
    pid: child.pid ?? 0,
    exited: once(child, "close").then(([code, signal]) => ({ code, signal, ...texts })),
    stdout: () => texts.stdout,
    stderr: () => texts.stderr,
  };
}

/** Where a host's xenstore and daemon would be, if a test does not say otherwise. */
const isolation = {
  XENLOGD_CONFIG: "",
  XENSTORED_PATH: "/nonexistent/xenstored/socket",
  XEN_RUN_DIR: "/nonexistent/run/xen",
  XEN_LOG_DIR: "/nonexistent/log/xen",
  XDG_STATE_HOME: "/nonexistent/state",
};

/** A directory for one test. Its end kills whatever still runs there and removes it. */
export interface TestDirectory extends AsyncDisposable {
  readonly path: string;
}

export function testDirectory(): TestDirectory {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "xl-")));
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      for (const pid of processesIn(path)) kill(pid);
      await until(() => processesIn(path).length === 0, `the processes in ${path} are gone`);
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/** Pids whose command line names the directory: nobody else's, for its name is random. */
export function processesIn(directory: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => readOrEmpty(`/proc/${pid}/cmdline`).includes(directory))
    .map(Number);
}

/**
 * Names below D/run, D/log and D/state, but for directories: empty where nothing is left behind. The
 * log of a daemon that `run` has started stays, as its logs do.
 */
export function leftBehind(directory: string): readonly string[] {
  const below = ["run", "log", "state"].map((name) => join(directory, name)).filter(existsSync);
  return below
    .flatMap((name) => readdirSync(name, { recursive: true, withFileTypes: true }))
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .filter((name) => name !== "state/xenlogd.out");
}

/** Waits for a condition, asking again and again; rejects with its name. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
): Promise<void> {
  await waitFor(what, condition, conditionMsMax);
}

export function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}
