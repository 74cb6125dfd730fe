// SPDX-License-Identifier: Apache-2.0
// The holder: a detached process that keeps the stages of one pump open, so that their bytes outlive
// every process of ours. Where a service manager stores descriptors it has them too, which helps when
// even the holder is killed.

import { closeSync, existsSync } from "node:fs";
import { makePipe, type Readiness, resizePipe } from "../kernel/index.ts";
import { watchProcess } from "../program/index.ts";
import {
  type DescriptorHolder,
  endDescriptorHolder,
  readDescriptorHolder,
  startDescriptorHolder,
} from "./descriptor-holder.ts";

/** Streams of one file system that may be stuck at once before the others have to wait. */
const stagesMax = 8;

/** Moved in one call; larger pipes are refused to whoever lacks CAP_SYS_RESOURCE. */
const stageBytes = 1 << 20;

/** Where copies of the stages are that outlive the holder; one for each pump. */
export interface StageStore {
  /** The descriptors of stages that came back from it, by the pipe's inode. */
  readonly inherited: ReadonlyMap<number, number>;
  /** Stores these stages, in their order, and nothing else. */
  replace(stageFds: readonly number[]): void;
}

export interface StageLocation {
  /** `/proc/PID/fd/N` of the holder. Only the pump opens it. */
  readonly path: string;
  /** The same in numbers: the holder, and its descriptor. */
  readonly pid: number;
  readonly fd: number;
  /** Inode of the pipe that has to be behind it. */
  readonly inode: number;
}

export interface EnsuredHolder {
  readonly stages: readonly StageLocation[];
  /**
   * What the stages were found in: a holder that runs; one that is gone, but they came back from the
   * store; one that is gone, and they with it; or there was none yet.
   */
  readonly found: "running" | "restored" | "lost" | "none";
}

/** The stages of the holder that `stateFile` describes, or those of a new one if they are gone. */
export function ensureHolder(stateFile: string, store: StageStore): EnsuredHolder {
  const known = readDescriptorHolder(stateFile);
  if (known?.state === "running") return { stages: locationsOf(known.holder), found: "running" };
  const inherited = known === undefined ? undefined : inheritedStages(known.holder, store);
  if (inherited !== undefined) {
    const holder = startDescriptorHolder(stateFile, inherited);
    return { stages: locationsOf(holder), found: "restored" };
  }
  const found = existsSync(stateFile) ? "lost" : "none";
  const holder = startHolder(stateFile, store);
  return { stages: locationsOf(holder), found };
}

/** Calls `onEnd` when the holder has ended, soon if it has, or if nobody can tell who it was. */
export function watchHolder(stateFile: string, onEnd: () => void): Readiness {
  const known = readDescriptorHolder(stateFile);
  if (known?.state === "running") return watchProcess(known.holder.process, onEnd);
  const soon = setImmediate(onEnd);
  return { close: () => clearImmediate(soon) };
}

/** Puts another holder in the place of one that has ended. For the pump, which has the stages open. */
export function replaceHolder(stateFile: string, stageFds: readonly number[]): void {
  startDescriptorHolder(stateFile, stageFds);
}

/** Ends the holder. Only for stages that are known to be empty. */
export function endHolder(stateFile: string): void {
  endDescriptorHolder(stateFile);
}

/** All stages that the holder had, or none of them: a pool is one thing. */
function inheritedStages(
  holder: DescriptorHolder,
  { inherited }: StageStore,
): readonly number[] | undefined {
  const fds = holder.descriptors.flatMap(({ inode }) => inherited.get(inode) ?? []);
  return fds.length === holder.descriptors.length ? fds : undefined;
}

function locationsOf({
  process: { pid },
  descriptors,
}: DescriptorHolder): readonly StageLocation[] {
  return descriptors.map(({ fd, inode }) => ({ path: `/proc/${pid}/fd/${fd}`, pid, fd, inode }));
}

function startHolder(stateFile: string, store: StageStore): DescriptorHolder {
  const pipes = Array.from({ length: stagesMax }, makePipe);
  try {
    for (const pipe of pipes) resizePipe(pipe.readFd, stageBytes);
    const fds = pipes.map((pipe) => pipe.readFd);
    const holder = startDescriptorHolder(stateFile, fds);
    store.replace(fds);
    return holder;
  } finally {
    for (const pipe of pipes) {
      closeSync(pipe.readFd);
      closeSync(pipe.writeFd);
    }
  }
}
