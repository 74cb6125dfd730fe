// SPDX-License-Identifier: Apache-2.0
// A detached process that does nothing but keep descriptors open, so that what is behind them outlives
// every process of ours; a file says which process it is. It is `sleep` with inherited descriptors.

import { spawn } from "node:child_process";
import { fstatSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import * as v from "valibot";
import { identifyProcess, isAlive, type ProcessIdentity, signalProcess } from "../program/index.ts";

/** As long as sleep(1) understands everywhere: 68 years. */
const holderSeconds = "2147483647";

export interface DescriptorHolder {
  readonly version: 1;
  readonly process: ProcessIdentity;
  /** As the process has them, and the inode behind each. */
  readonly descriptors: readonly { readonly fd: number; readonly inode: number }[];
}

const holderSchema: v.GenericSchema<unknown, DescriptorHolder> = v.object({
  version: v.literal(1),
  process: v.object({ pid: v.number(), startTicks: v.string(), bootId: v.string() }),
  descriptors: v.array(v.object({ fd: v.number(), inode: v.number() })),
});

/** `gone` is one that the file describes and that does not run any more. */
export interface KnownHolder {
  readonly state: "running" | "gone";
  readonly holder: DescriptorHolder;
}

/**
 * A new process that holds copies of these descriptors, 3 and up, in their order, and the file that
 * says so. In one go: of a process that is not in the file yet nobody knows if we are killed.
 */
export function startDescriptorHolder(stateFile: string, fds: readonly number[]): DescriptorHolder {
  const descriptors = fds.map((fd, index) => ({ fd: 3 + index, inode: fstatSync(fd).ino }));
  const child = spawn("sleep", [holderSeconds], {
    detached: true,
    cwd: "/",
    env: { PATH: "/usr/bin:/bin" },
    stdio: ["ignore", "ignore", "ignore", ...fds],
  });
  // Without a pid it was never started; that is told below.
  child.on("error", () => {});
  child.unref();
  const identity = identifyProcess(child.pid ?? 0);
  if (identity === undefined) throw new Error("a process to hold descriptors cannot be started");
  const holder: DescriptorHolder = { version: 1, process: identity, descriptors };
  try {
    writeFileSync(`${stateFile}.new`, JSON.stringify(holder), { mode: 0o600 });
    renameSync(`${stateFile}.new`, stateFile);
    return holder;
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

/** The holder of the file, `undefined` if none is described there. Opens nothing that it holds. */
export function readDescriptorHolder(stateFile: string): KnownHolder | undefined {
  let holder: DescriptorHolder;
  try {
    holder = v.parse(holderSchema, JSON.parse(readFileSync(stateFile, "utf8")));
  } catch {
    return undefined;
  }
  return { state: isAlive(holder.process) && isIntact(holder) ? "running" : "gone", holder };
}

/** Ends the holder of the file; what it alone held open is gone then. */
export function endDescriptorHolder(stateFile: string): void {
  const known = readDescriptorHolder(stateFile);
  if (known?.state === "running") signalProcess(known.holder.process, "SIGKILL");
  rmSync(stateFile, { force: true });
}

function isIntact({ process: { pid }, descriptors }: DescriptorHolder): boolean {
  return descriptors.every(({ fd, inode }) => {
    // Follows the link to the inode: neither an open nor a lock of the pipe.
    try {
      return statSync(`/proc/${pid}/fd/${fd}`).ino === inode;
    } catch {
      return false;
    }
  });
}
