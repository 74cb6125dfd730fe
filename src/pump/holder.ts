// SPDX-License-Identifier: Apache-2.0
// The holder: a detached process that does nothing but keep the stages of one pump open, so that
// their bytes outlive every process of ours. It is `sleep` with inherited descriptors.

import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  fstatSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import * as v from "valibot";
import {
  identifyProcess,
  isAlive,
  makePipe,
  type Readiness,
  resizePipe,
  signalProcess,
  watchProcess,
} from "../kernel/index.ts";
import type { StageLocation } from "./messages.ts";

/** Streams of one file system that may be stuck at once before the others have to wait. */
const stagesMax = 8;

/** Moved in one call; larger pipes are refused to whoever lacks CAP_SYS_RESOURCE. */
const stageBytes = 1 << 20;

/** As long as sleep(1) understands everywhere: 68 years. */
const holderSeconds = "2147483647";

const holderSchema = v.object({
  version: v.literal(1),
  process: v.object({ pid: v.number(), startTicks: v.string(), bootId: v.string() }),
  stages: v.array(v.object({ fd: v.number(), inode: v.number() })),
});
type Holder = v.InferOutput<typeof holderSchema>;

export interface EnsuredHolder {
  readonly stages: readonly StageLocation[];
  /** What the stages were found in: a holder that runs, one that is gone, or there was none yet. */
  readonly found: "running" | "lost" | "none";
}

/** The stages of the holder that `stateFile` describes, or those of a new one if that is gone. */
export async function ensureHolder(stateFile: string): Promise<EnsuredHolder> {
  const running = readHolder(stateFile);
  if (running !== undefined) return { stages: locationsOf(running), found: "running" };
  const found = existsSync(stateFile) ? "lost" : "none";
  const holder = await startHolder();
  save(stateFile, holder);
  return { stages: locationsOf(holder), found };
}

/** Calls `onEnd` when the holder has ended, soon if it has, or if nobody can tell who it was. */
export function watchHolder(stateFile: string, onEnd: () => void): Readiness {
  const holder = readHolder(stateFile);
  if (holder !== undefined) return watchProcess(holder.process, onEnd);
  const soon = setImmediate(onEnd);
  return { close: () => clearImmediate(soon) };
}

/** Puts another holder in the place of one that has ended. For the pump, which has the stages open. */
export async function replaceHolder(stateFile: string, stageFds: readonly number[]): Promise<void> {
  save(stateFile, await hold(stageFds));
}

/** Ends the holder. Only for stages that are known to be empty. */
export function endHolder(stateFile: string): void {
  const holder = readHolder(stateFile);
  if (holder !== undefined) signalProcess(holder.process, "SIGKILL");
  rmSync(stateFile, { force: true });
}

/** The holder of the file, if it is that very process and has those very pipes. Opens no stage. */
function readHolder(stateFile: string): Holder | undefined {
  let holder: Holder;
  try {
    holder = v.parse(holderSchema, JSON.parse(readFileSync(stateFile, "utf8")));
  } catch {
    return undefined;
  }
  if (!isAlive(holder.process)) return undefined;
  const intact = holder.stages.every(({ fd, inode }) => {
    try {
      return readlinkSync(`/proc/${holder.process.pid}/fd/${fd}`) === `pipe:[${inode}]`;
    } catch {
      return false;
    }
  });
  return intact ? holder : undefined;
}

function locationsOf(holder: Holder): readonly StageLocation[] {
  const { pid } = holder.process;
  return holder.stages.map(({ fd, inode }) => ({ path: `/proc/${pid}/fd/${fd}`, inode }));
}

async function startHolder(): Promise<Holder> {
  const pipes = Array.from({ length: stagesMax }, makePipe);
  try {
    for (const pipe of pipes) resizePipe(pipe.readFd, stageBytes);
    return await hold(pipes.map((pipe) => pipe.readFd));
  } finally {
    for (const pipe of pipes) {
      closeSync(pipe.readFd);
      closeSync(pipe.writeFd);
    }
  }
}

/** A new holder of these pipes. */
async function hold(stageFds: readonly number[]): Promise<Holder> {
  const child = spawn("sleep", [holderSeconds], {
    detached: true,
    cwd: "/",
    env: { PATH: "/usr/bin:/bin" },
    stdio: ["ignore", "ignore", "ignore", ...stageFds],
  });
  await once(child, "spawn");
  child.unref();
  const identity = identifyProcess(child.pid ?? 0);
  if (identity === undefined) throw new Error("the holder of the stages ended at once");
  const stages = stageFds.map((fd, index) => ({ fd: 3 + index, inode: fstatSync(fd).ino }));
  return { version: 1, process: identity, stages };
}

function save(stateFile: string, holder: Holder): void {
  writeFileSync(`${stateFile}.new`, JSON.stringify(holder), { mode: 0o600 });
  renameSync(`${stateFile}.new`, stateFile);
}
