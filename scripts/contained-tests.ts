// SPDX-License-Identifier: Apache-2.0
//
// Test files that may fail at any place, and what they leave behind then: each run has temporary
// directories of its own, and its processes, mounts and files are gone when it is over.

import { execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

const testMsMax = 90_000;

export interface TestRun {
  /** The first test that failed, or what else went wrong; `undefined` if all passed. */
  readonly by: string | undefined;
  readonly seconds: number;
}

/** Runs test files of a copy of the repository, up to the first failure. */
export async function runTests(copy: string, files: readonly string[]): Promise<TestRun> {
  const begun = performance.now();
  const places = [`${copy}t`, `/dev/shm/${copy.replace(/\W/g, "-")}`] as const;
  for (const place of places) fs.mkdirSync(place, { recursive: true });
  const child = spawn(process.execPath, ["--test", "--test-reporter=tap", ...files], {
    cwd: copy,
    detached: true,
    env: { ...process.env, TMPDIR: places[0], XENLOGD_TEST_MEMORY: places[1] },
    stdio: ["ignore", "pipe", "ignore"],
  });
  let by: string | undefined;
  const end = (reason: string): void => {
    by ??= reason;
    kill(-(child.pid ?? 0));
  };
  const late = setTimeout(() => end(`its limit of ${testMsMax / 1000} s`), testMsMax);
  createInterface(child.stdout).on("line", (line) => {
    const failed = /^\s*not ok \d+ - (.*)$/.exec(line)?.[1];
    if (failed !== undefined) end(failed);
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  clearTimeout(late);
  if (code !== 0) by ??= `exit code ${code}`;
  for (let left = processesOf(places[0]); left.length > 0; left = processesOf(places[0])) {
    for (const pid of left) kill(pid);
    await delay(20);
  }
  for (const line of read("/proc/mounts").split("\n").reverse()) {
    const path = line.split(" ")[1] ?? "";
    if (path.startsWith(`${places[0]}/`)) execFileSync("umount", ["-l", path]);
  }
  for (const place of places) fs.rmSync(place, { recursive: true, force: true });
  return { by, seconds: (performance.now() - begun) / 1000 };
}

/** Those that a test has left behind, by the place in their environment or arguments. */
function processesOf(place: string): readonly number[] {
  return fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => (read(`/proc/${pid}/environ`) + read(`/proc/${pid}/cmdline`)).includes(place))
    .map(Number);
}

function read(path: string): string {
  try {
    return fs.readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
