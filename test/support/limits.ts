// SPDX-License-Identifier: Apache-2.0
// Limits of running processes, by prlimit(1).

import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

const { error } = spawnSync("prlimit", ["--version"]);

/** Why a test that needs prlimit(1) is skipped. */
export const noPrlimit: string | false =
  error === undefined ? false : "prlimit of util-linux is not here";

/** The limit that leaves so many descriptors to be opened. */
export function limitWith(pid: number, spare: number): number {
  const used = new Set(readdirSync(`/proc/${pid}/fd`));
  let limit = 0;
  for (let free = -1; free < spare; limit += 1) if (!used.has(String(limit))) free += 1;
  return limit - 1;
}

export function softOpenFiles(pid: number): number {
  const limits = readFileSync(`/proc/${pid}/limits`, "latin1");
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]);
}

export function setSoftOpenFiles(pid: number, files: number): void {
  execFileSync("prlimit", ["--pid", String(pid), `--nofile=${files}:`]);
}
