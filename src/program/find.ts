// SPDX-License-Identifier: Apache-2.0
// Finds a process by its command line: for one whose parent was killed before it could record the pid.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { identifyProcess, type ProcessIdentity } from "./identity.ts";

/** The process of our user whose command line ends with these arguments. */
export function findProcess(args: readonly string[]): ProcessIdentity | undefined {
  const ending = ["", ...args, ""].join("\0");
  for (const name of readdirSync("/proc")) {
    if (!/^[0-9]+$/.test(name) || !isOurs(name)) continue;
    if (commandLineOf(name).endsWith(ending)) return identifyProcess(Number(name));
  }
  return undefined;
}

function isOurs(pid: string): boolean {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid === process.geteuid?.();
}

/** Each argument ends with a NUL; empty for a process that has ended. */
function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
