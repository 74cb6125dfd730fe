// SPDX-License-Identifier: Apache-2.0
// Identifies a process: a pid may be used again; a pid with its start time and the boot id is unique.

import { closeSync, readFileSync } from "node:fs";
import * as v from "valibot";
import { openProcess, type Readiness, watchReadable } from "../kernel/index.ts";

/** A process, distinguished from a later one with the same pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot, field 22 of proc_pid_stat(5). */
  readonly startTicks: string;
  readonly bootId: string;
}

const identitySchema: v.GenericSchema<unknown, ProcessIdentity> = v.object({
  pid: v.number(),
  startTicks: v.string(),
  bootId: v.string(),
});

/** Parses an identity from a file; `undefined` if it is damaged. */
export function parseIdentity(value: unknown): ProcessIdentity | undefined {
  const parsed = v.safeParse(identitySchema, value);
  return parsed.success ? parsed.output : undefined;
}

/** The process with this pid now, or `undefined` if there is none (or only a zombie). */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  // The name in field 2 may hold spaces and parentheses; the fields after it do not.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, startTicks] = [fields[0], fields[19]];
  if (startTicks === undefined || state === "Z" || state === "X") return undefined;
  return { pid, startTicks, bootId: readBootId() };
}

/** True while that very process runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  const now = identifyProcess(identity.pid);
  return now?.startTicks === identity.startTicks && now.bootId === identity.bootId;
}

/** Sends the signal to that very process; false if it is gone. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    return process.kill(identity.pid, signal);
  } catch {
    // It went between the look and the signal.
    return false;
  }
}

/** Calls `onEnd` once when that very process has ended, at once if it has. Needs Linux 5.3. */
export function watchProcess(identity: ProcessIdentity, onEnd: () => void): Readiness {
  const fd = openProcess(identity.pid);
  if (fd < 0 || !isAlive(identity)) {
    if (fd >= 0) closeSync(fd);
    const soon = setImmediate(onEnd);
    return { close: () => clearImmediate(soon) };
  }
  const readiness = watchReadable(fd, () => {
    close();
    onEnd();
  });
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    readiness.close();
    closeSync(fd);
  };
  return { close };
}

/** Random id of this boot of the kernel. */
function readBootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
}
