// SPDX-License-Identifier: Apache-2.0
//
// Test files that may fail at any place, and what they leave behind then: each run has temporary
// directories of its own, and its processes, mounts and files are gone when it is over.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { makePlace, removePlace } from "./leftovers.mjs";

const testMsMax = 90_000;

export interface TestRun {
  /** The first test that failed, or what else went wrong; `undefined` if all passed. */
  readonly by: string | undefined;
  readonly seconds: number;
}

/** Runs test files of a copy of the repository, up to the first failure. */
export async function runTests(copy: string, files: readonly string[]): Promise<TestRun> {
  const begun = performance.now();
  const place = makePlace();
  const child = spawn(process.execPath, ["--test", "--test-reporter=tap", ...files], {
    cwd: copy,
    detached: true,
    env: { ...process.env, ...place.env },
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
  removePlace(place);
  return { by, seconds: (performance.now() - begun) / 1000 };
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
