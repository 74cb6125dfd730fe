// SPDX-License-Identifier: Apache-2.0
// The processes that have a FIFO open for writing. /proc shows those of other users to root only.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface FifoWriter {
  readonly pid: number;
  /** As in ps -o comm. */
  readonly name: string;
}

const accessModeMask = 0o3;

export function findFifoWriters(path: string): readonly FifoWriter[] {
  const writers: FifoWriter[] = [];
  for (const pid of namesIn("/proc").filter((name) => /^[0-9]+$/.test(name))) {
    const descriptors = namesIn(`/proc/${pid}/fd`);
    if (descriptors.some((descriptor) => isWriter(pid, descriptor, path))) {
      const name = readOrEmpty(`/proc/${pid}/comm`)
        .trim()
        .replace(/[^\x20-\x7e]/g, "?");
      writers.push({ pid: Number(pid), name });
    }
  }
  return writers;
}

function isWriter(pid: string, descriptor: string, path: string): boolean {
  try {
    if (readlinkSync(`/proc/${pid}/fd/${descriptor}`) !== path) return false;
  } catch {
    return false;
  }
  // proc_pid_fdinfo(5): octal, O_RDONLY is 0.
  const flags = /^flags:\s*([0-7]+)$/m.exec(readOrEmpty(`/proc/${pid}/fdinfo/${descriptor}`))?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & accessModeMask) !== 0;
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    // The process has ended, or belongs to another user.
    return [];
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
