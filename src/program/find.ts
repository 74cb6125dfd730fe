// SPDX-License-Identifier: Apache-2.0
// Finds processes of our user by their command lines, for one whose identity was not recorded because
// the process that started it was killed.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { identifyProcess, type ProcessIdentity } from "./identity.ts";

export interface RunningProcess {
  readonly pid: number;
  /** The command line, the program first. */
  readonly args: readonly string[];
}

/** The processes of our user. */
export function ownProcesses(): readonly RunningProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name) && isOwn(name))
    .map((name) => ({ pid: Number(name), args: argumentsOf(Number(name)) }));
}

/** The process of our user whose command line ends with these arguments. */
export function findProcess(args: readonly string[]): ProcessIdentity | undefined {
  const found = ownProcesses().find(
    (process) =>
      process.args.length > args.length &&
      args.every((arg, index) => process.args.at(index - args.length) === arg),
  );
  return found && identifyProcess(found.pid);
}

/** A process's command line, the program first; empty for a process that has ended. */
export function argumentsOf(pid: number): readonly string[] {
  try {
    // Each argument ends with a NUL.
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
  } catch {
    return [];
  }
}

/** Whether it is a process of our user. */
export function isOwn(pid: number | string): boolean {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid === process.geteuid?.();
}
