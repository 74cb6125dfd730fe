// SPDX-License-Identifier: Apache-2.0
// The stages of all pumps: eight private pipes for each file system with logs. This process makes them,
// has a copy of each, and never reads, writes, opens or asks them while a pump may have them: such a
// call takes the lock of the pipe, and a pump that hangs in its disk does not give it back.
//
// Each pump inherits these very open file descriptions. The last close of a description takes the lock
// as well; so a pump that hangs has a copy, and no other process closes the last one: not this one, not
// the detached process, not systemd (252 closes what it stores in PID 1).

import { closeSync, fstatSync, readdirSync, statSync } from "node:fs";
import { bytesReadable, copyDescriptorOf, makePipe, resizePipe } from "../kernel/index.ts";
import type { ServiceManager } from "./service-manager.ts";
import type { HeldStage, VaultProcess } from "./state-file.ts";
import type { SharedStage } from "./vault-process.ts";

/** Streams of one file system that may be stuck at once before the others have to wait. */
const stagesMax = 8;

/** Moved in one call; the kernel refuses larger pipes without CAP_SYS_RESOURCE. */
const stageBytes = 1 << 20;

/** Where a pump opens a stage, and the inode of the pipe that has to be there. */
export interface StageLocation {
  readonly path: string;
  readonly inode: number;
}

/** What a pump needs to open its stages; for one start of it. */
export interface StagesForPump {
  /** The pump inherits them, from the descriptor on that `locations` is asked with. */
  readonly descriptors: readonly number[];
  readonly locations: (firstDescriptor: number) => readonly StageLocation[];
  /** New ones are empty. */
  readonly contents: "new" | "unknown";
}

/** Only the process of an earlier daemon has them: the kernel does not let us copy them (Yama). */
interface UnsharedPool {
  readonly kind: "unshared";
  readonly holder: VaultProcess;
  readonly stages: readonly HeldStage[];
}

type Pool =
  | { readonly kind: "shared"; readonly fds: readonly number[]; readonly inodes: readonly number[] }
  | UnsharedPool
  /** An earlier daemon had them, and no process has them now. */
  | { readonly kind: "lost" };

/** Copies a descriptor of another process: pidfd_getfd(2), which touches nothing behind it. */
export type CopyDescriptorOf = typeof copyDescriptorOf;

export class StagePools {
  readonly #manager: ServiceManager;
  readonly #copy: CopyDescriptorOf;
  readonly #byName: Map<string, Pool> = new Map();
  /** Pools that came back from the service manager, and are not reported yet. */
  readonly #restored: Set<string> = new Set();

  constructor(manager: ServiceManager, copy: CopyDescriptorOf = copyDescriptorOf) {
    this.#manager = manager;
    this.#copy = copy;
  }

  /** Takes over what the processes of earlier daemons have, or had; the newest process comes first. */
  takeOver(known: readonly VaultProcess[], running: readonly VaultProcess[]): void {
    for (const name of new Set(known.flatMap(({ stages }) => stages.map(({ pool }) => pool)))) {
      const had = heldOf(name, known);
      const has = heldOf(name, running);
      const stored = this.#takeStored(name, had);
      if (stored !== undefined && has.length === 0) this.#restored.add(name);
      const copies = stored ?? firstOf(has, ({ holder, stages }) => this.#copyAll(holder, stages));
      if (copies !== undefined) this.#share(name, copies);
      else this.#byName.set(name, has[0] ?? { kind: "lost" });
    }
  }

  /** Pools with stages, and those whose stages are lost: their notes say what was in them. */
  get names(): readonly string[] {
    return [...this.#byName.keys()];
  }

  /** Pools with stages. */
  get held(): readonly string[] {
    return [...this.#byName].flatMap(([name, { kind }]) => (kind === "lost" ? [] : [name]));
  }

  /** The stages that this process has, for a detached one. */
  get shared(): readonly SharedStage[] {
    return [...this.#byName].flatMap(([name, pool]) =>
      pool.kind === "shared" ? pool.fds.map((fd) => ({ pool: name, fd })) : [],
    );
  }

  /** Whether that process alone has stages. */
  isNeeded({ token }: VaultProcess): boolean {
    return [...this.#byName.values()].some(
      (pool) => pool.kind === "unshared" && pool.holder.token === token,
    );
  }

  /** How the stages of a pool are; `isIntact` looks at the process of an earlier daemon. */
  find(
    name: string,
    isIntact: (holder: VaultProcess) => boolean,
  ): "kept" | "restored" | "lost" | "none" {
    const pool = this.#byName.get(name);
    if (pool === undefined) return "none";
    if (pool.kind === "lost") return "lost";
    if (pool.kind === "unshared" && !isIntact(pool.holder)) return "lost";
    return this.#restored.delete(name) ? "restored" : "kept";
  }

  /** Empty stages in the place of those before. Throws KernelError. */
  make(name: string): StagesForPump {
    const fds: number[] = [];
    try {
      while (fds.length < stagesMax) fds.push(makeStage());
    } catch (error) {
      for (const fd of fds) closeSync(fd);
      throw error;
    }
    this.#removeStored(name);
    this.#share(name, fds);
    return { ...this.stagesOf(name), contents: "new" };
  }

  /** For a start of the pump. Only stages that were found or made. */
  stagesOf(name: string): StagesForPump {
    const pool = this.#byName.get(name);
    if (pool === undefined || pool.kind === "lost") throw new Error(`no stages of ${name}`);
    if (pool.kind === "unshared") {
      const { pid } = pool.holder.process;
      const locations = pool.stages.map(({ fd, inode }) => ({
        path: `/proc/${pid}/fd/${fd}`,
        inode,
      }));
      return { descriptors: [], locations: () => locations, contents: "unknown" };
    }
    const { fds, inodes } = pool;
    const locations = (first: number): readonly StageLocation[] =>
      inodes.map((inode, index) => ({ path: `/proc/self/fd/${first + index}`, inode }));
    return { descriptors: fds, locations, contents: "unknown" };
  }

  /**
   * The pump has opened its stages. Where they could not be copied before they can be now: Yama lets a
   * process look into its own child. True if something has changed.
   */
  shareWithPump(name: string, pumpPid: number): boolean {
    const pool = this.#byName.get(name);
    if (pool?.kind !== "unshared") return false;
    const copies = this.#copyByInode(pumpPid, pool.stages);
    if (copies !== undefined) this.#share(name, copies);
    return copies !== undefined;
  }

  /** Bytes in all stages, "unknown" if they cannot be asked. Only while no pump has the stages. */
  stagedBytes(name: string): number | "unknown" {
    const pool = this.#byName.get(name);
    if (pool?.kind !== "shared") return "unknown";
    return pool.fds.reduce((sum, fd) => sum + bytesReadable(fd), 0);
  }

  /** Only stages that are known to be empty. */
  giveUp(name: string): void {
    this.#removeStored(name);
    const pool = this.#byName.get(name);
    this.#byName.delete(name);
    if (pool?.kind === "shared") for (const fd of pool.fds) closeSync(fd);
  }

  /** Stages at the service manager that no state file knows. */
  discardUnknown(): void {
    for (const { fd, name } of this.#manager.take(namePrefix)) {
      closeSync(fd);
      const isKnown = this.held.some((each) => name.startsWith(prefixOf(each)));
      if (!isKnown) this.#manager.remove(name);
    }
  }

  #share(name: string, fds: readonly number[]): void {
    const inodes = fds.map((fd) => fstatSync(fd).ino);
    this.#byName.set(name, { kind: "shared", fds, inodes });
    if (this.#manager.namesOf(prefixOf(name)).length > 0) return;
    for (const [index, fd] of fds.entries()) {
      this.#manager.store(`${prefixOf(name)}${index}`, fd);
    }
  }

  /** All that one of the processes had, or none: a pool is one thing. */
  #takeStored(name: string, had: readonly UnsharedPool[]): readonly number[] | undefined {
    const taken = this.#manager.take(prefixOf(name));
    const byInode = new Map(taken.map(({ fd }) => [fstatSync(fd).ino, fd]));
    const whole = firstOf(had, ({ stages }) => {
      const fds = stages.flatMap(({ inode }) => byInode.get(inode) ?? []);
      const isWhole = fds.length === stages.length;
      return isWhole ? fds : undefined;
    });
    for (const { fd } of taken) if (whole?.includes(fd) !== true) closeSync(fd);
    return whole;
  }

  #removeStored(name: string): void {
    for (const stored of this.#manager.namesOf(prefixOf(name))) this.#manager.remove(stored);
  }

  #copyAll(holder: VaultProcess, stages: readonly HeldStage[]): readonly number[] | undefined {
    const copies: number[] = [];
    try {
      for (const { fd, inode } of stages) {
        copies.push(this.#copy(holder.process.pid, fd));
        if (fstatSync(copies.at(-1) ?? -1).ino !== inode) throw new Error("not the stage");
      }
      return copies;
    } catch {
      for (const copy of copies) closeSync(copy);
      return undefined;
    }
  }

  #copyByInode(pid: number, stages: readonly HeldStage[]): readonly number[] | undefined {
    const holder = { token: "", process: { pid, startTicks: "", bootId: "" }, stages };
    const fds = descriptorsByInode(pid);
    const found = stages.flatMap((stage) => {
      const fd = fds.get(stage.inode);
      return fd === undefined ? [] : [{ ...stage, fd }];
    });
    return found.length === stages.length ? this.#copyAll(holder, found) : undefined;
  }
}

/** The stages of that pool in each of the processes that have or had them. */
function heldOf(name: string, processes: readonly VaultProcess[]): readonly UnsharedPool[] {
  return processes.flatMap((holder) => {
    const stages = holder.stages.filter(({ pool }) => pool === name);
    return stages.length === 0 ? [] : [{ kind: "unshared", holder, stages }];
  });
}

function firstOf<T, R>(items: readonly T[], tryOne: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const result = tryOne(item);
    if (result !== undefined) return result;
  }
  return undefined;
}

const namePrefix = "stage-";

function prefixOf(name: string): string {
  return `${namePrefix}${name}-`;
}

/** A pipe's reading end; a pump opens its writing end by the same inode. */
function makeStage(): number {
  const { readFd, writeFd } = makePipe();
  closeSync(writeFd);
  resizePipe(readFd, stageBytes);
  return readFd;
}

/** Looks at links only: an open would take the lock of the pipe. */
function descriptorsByInode(pid: number): ReadonlyMap<number, number> {
  const fds = new Map<number, number>();
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const stat = statSync(`/proc/${pid}/fd/${fd}`, { throwIfNoEntry: false });
      if (stat?.isFIFO()) fds.set(stat.ino, Number(fd));
    }
  } catch {
    // It has ended.
  }
  return fds;
}
