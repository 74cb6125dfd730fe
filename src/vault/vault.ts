// SPDX-License-Identifier: Apache-2.0
// What keeps descriptors alive: this process, one detached process, and systemd's store. No other
// folder keeps any. Whichever of them are killed, descriptors that the others have open are not lost.
//
// The detached process of an earlier daemon lives until this one has everything that it has: the FIFOs
// are opened by path, the stages are copied. A new process is in the state file before an old one ends.

import type { EmitEvent } from "../observe/index.ts";
import { isAlive, RetryTimer, reasonOf, waitUntil } from "../program/index.ts";
import { CurrentProcess, type Kept } from "./current-process.ts";
import { type KeptFifo, KeptFifos } from "./kept-fifos.ts";
import type { ServiceManager } from "./service-manager.ts";
import { type CopyDescriptorOf, StagePools, type StagesForPump } from "./stage-pools.ts";
import { StateFile, type VaultProcess } from "./state-file.ts";
import { endUnknownProcesses, endVaultProcess, isHolding } from "./vault-process.ts";

export interface VaultOptions {
  /** Of the state file; the detached process ends when it is gone. */
  readonly directory: string;
  readonly serviceManager: ServiceManager;
  readonly emit: EmitEvent;
  /** For tests: as under a kernel that refuses it. */
  readonly copyDescriptorOf?: CopyDescriptorOf;
}

/** An end that is not wanted any more is open for so long: a new process costs about 10 ms. */
const deadEndMsMax = 2000;
const backoff = { firstMs: 100, maxMs: 10_000 };
/** SIGKILL takes a moment; a stop that is over leaves no process. */
const endMsMax = 1000;
const endBackoff = { firstMs: 1, maxMs: 16 };
/** A process that ended sooner is not replaced at once: the next one may end as well. */
const stableMs = 1000;

export class Vault {
  readonly #options: VaultOptions;
  readonly #fifos: KeptFifos;
  readonly #pools: StagePools;
  readonly #retry: RetryTimer;
  /** `restoring`: the FIFOs of an earlier daemon are open in its process only. */
  #state: "restoring" | "keeping" | "stopped" = "restoring";
  #current: CurrentProcess | undefined;
  /** Of earlier daemons, with something that the current one has not. */
  #earlier: readonly VaultProcess[];
  /** `lost`: its end is reported, and the next one is to be reported as well. */
  #before: "ended" | "lost" = "ended";
  #deadEnds: NodeJS.Timeout | undefined;
  readonly #file: StateFile;

  /** Looks at what an earlier daemon has left. Starts nothing. */
  constructor(options: VaultOptions) {
    const { directory, serviceManager, emit, copyDescriptorOf } = options;
    this.#options = options;
    this.#fifos = new KeptFifos(serviceManager);
    this.#pools = new StagePools(serviceManager, copyDescriptorOf);
    this.#retry = new RetryTimer({
      backoff,
      attempt: () => this.#replace(),
      onFailure: (reason) => emit({ kind: "VaultProcessFailed", reason }),
      unref: true,
    });
    this.#file = new StateFile(directory, emit);
    const { foundProcesses: known } = this.#file;
    this.#earlier = known.filter((vault) => isHolding(vault, directory));
    this.#pools.takeOver(known, this.#earlier);
  }

  /** Pools of stages, in use or not, and those that are lost. */
  get poolNames(): readonly string[] {
    return this.#pools.names;
  }

  /** Pools with stages, in use or not. */
  get heldPools(): readonly string[] {
    return this.#pools.held;
  }

  /**
   * From the beginning of a stream on: when it returns, main and pump may be killed. "lost" if an
   * earlier daemon kept the FIFO and no process has it open any more: what it held is gone.
   */
  keep(record: KeptFifo): "kept" | "lost" {
    const wasKept = this.#state === "restoring" && this.#file.hasKept(record.epoch);
    const found = this.#fifos.keep(record, wasKept ? "kept" : "new");
    if (found.kind === "noRoom") {
      this.#options.emit({ kind: "FifoNotKept", epoch: record.epoch, reason: found.reason });
    }
    if (found.kind !== "found") return "kept";
    this.#addToProcess(found.end);
    return found.content;
  }

  #addToProcess(end: Kept): void {
    if (this.#current === undefined) {
      if (!this.#retry.isWaiting) this.#replace();
      return;
    }
    try {
      this.#current.send([end]);
    } catch {
      // Too many in flight, or a full queue: another process gets only those that are wanted.
      if (!this.#retry.isWaiting) this.#replace();
    }
  }

  /** The stream is over. */
  forget(epoch: string): void {
    const name = this.#fifos.forget(epoch);
    if (name === undefined) return;
    this.#current?.forget(name);
    this.#expectDeadEnds();
  }

  /** All streams of the table are kept now: earlier processes are not needed for their FIFOs. */
  restored(): void {
    this.#state = "keeping";
    this.#fifos.discardUnknown();
    this.#pools.discardUnknown();
    if (this.#current === undefined && this.#earlier.length > 0) this.#replace();
    else this.#endEarlier();
    if (this.#file.foundLeftFifos !== undefined) this.#file.tryWrite(this.#processes, undefined);
    endUnknownProcesses(this.#options.directory, this.#processes);
  }

  /** The stages of a pool, for a start of its pump; new ones if they are gone. */
  stagesOf(pool: string): StagesForPump {
    const { directory, emit } = this.#options;
    const found = this.#pools.find(pool, (holder) => isHolding(holder, directory));
    if (found === "restored") emit({ kind: "StagesRestored", pool });
    if (found === "lost") emit({ kind: "StagesLost", pool });
    if (found === "kept" || found === "restored") {
      if (this.#current === undefined && !this.#retry.isWaiting) this.#replace();
      return this.#pools.stagesOf(pool);
    }
    const stages = this.#pools.make(pool);
    this.#replace();
    return stages;
  }

  /** The pump has opened its stages. */
  pumpStarted(pool: string, pumpPid: number): void {
    if (this.#pools.shareWithPump(pool, pumpPid)) this.#replace();
  }

  /** The file system that the bytes of these stages belong to, as a pump has reported it. */
  contentsOf(pool: string): string | undefined {
    return this.#file.contents.get(pool);
  }

  /** Remembers it for the next daemon: the device number of the file system may be another one then. */
  noteContents(pool: string, contents: string): void {
    if (this.#file.contents.get(pool) === contents) return;
    this.#file.contents.set(pool, contents);
    this.#file.tryWrite(this.#processes, this.#leftFifos);
  }

  /** Bytes in the stages of a pool. Only while no pump has them, under the pump's lock. */
  stagedBytes(pool: string): number | "unknown" {
    return this.#pools.stagedBytes(pool);
  }

  /** The stages are known to be empty. They are open until the next process, or the stop. */
  giveUpStages(pool: string): void {
    this.#pools.giveUp(pool);
    this.#file.contents.delete(pool);
  }

  /**
   * Lets go. A detached process stays where a writer, unread bytes or stages wait for the next daemon,
   * and keeps nothing else; otherwise neither it nor the state file stays.
   */
  async stop(): Promise<void> {
    const before = this.#processes;
    // Streams were not opened yet: all is left to the next daemon.
    const isRestored = this.#state === "keeping";
    this.#state = "stopped";
    clearTimeout(this.#deadEnds);
    for (const name of this.#fifos.closeIdle()) this.#current?.forget(name);
    if (isRestored) this.#leaveOrEnd();
    this.#retry.cancel();
    const kept = this.#processes.map(({ token }) => token);
    const ended = before.filter(({ token }) => !kept.includes(token));
    this.#current?.close();
    this.#current = undefined;
    this.#fifos.close();
    const areGone = (): boolean => !ended.some((vault) => isAlive(vault.process));
    await waitUntil(areGone, { backoff: endBackoff, waitMsMax: endMsMax });
  }

  #leaveOrEnd(): void {
    const isNeeded = this.#fifos.all.length > 0 || this.#pools.held.length > 0;
    if (isNeeded) {
      if (this.#holdsExactly()) this.#file.tryWrite(this.#processes, this.#leftFifos);
      else this.#replace();
      return;
    }
    // Without the file a process ends by itself if we are killed here.
    this.#file.remove();
    this.#current?.end();
    this.#current = undefined;
    for (const vault of this.#earlier) endVaultProcess(vault, this.#options.directory);
    this.#earlier = [];
  }

  #holdsExactly(): boolean {
    const current = this.#current;
    if (current === undefined || current.deadEnds > 0) return false;
    const stages = current.process.stages.length;
    return current.ends === this.#fifos.all.length && stages === this.#pools.shared.length;
  }

  get #processes(): readonly VaultProcess[] {
    return [...(this.#current === undefined ? [] : [this.#current.process]), ...this.#earlier];
  }

  /** Starts a process with all that is kept now. The state file names it before the old one ends. */
  #replace(): void {
    const before = this.#current;
    const { directory, emit } = this.#options;
    let next: CurrentProcess | undefined;
    try {
      next = new CurrentProcess(directory, this.#pools.shared, this.#fifos.all);
      this.#file.write([next.process, ...this.#earlier], this.#leftFifos);
    } catch (error) {
      next?.end();
      this.#retry.failed(reasonOf(error));
      return;
    }
    this.#retry.succeeded();
    this.#watch(next);
    before?.end();
    this.#endEarlier();
    if (this.#before === "lost")
      emit({ kind: "VaultProcessReplaced", pid: next.process.process.pid });
    this.#before = "ended";
  }

  get #leftFifos(): readonly string[] | undefined {
    if (this.#state === "stopped") return this.#fifos.epochs;
    return this.#state === "restoring" ? this.#file.foundLeftFifos : undefined;
  }

  #watch(process: CurrentProcess): void {
    this.#current = process;
    process.onEnd(() => {
      process.close();
      this.#current = undefined;
      this.#before = "lost";
      this.#options.emit({ kind: "VaultProcessLost", pid: process.process.process.pid });
      if (performance.now() - process.startedAtMs >= stableMs) this.#replace();
      else this.#retry.again();
    });
  }

  /** Ends the processes of earlier daemons that have nothing which the current one has not. */
  #endEarlier(): void {
    if (this.#state === "restoring" || this.#current === undefined) return;
    const needless = this.#earlier.filter((vault) => !this.#pools.isNeeded(vault));
    if (needless.length === 0) return;
    this.#earlier = this.#earlier.filter((vault) => this.#pools.isNeeded(vault));
    try {
      this.#file.write(this.#processes, this.#leftFifos);
    } catch {
      // They are named in the file until it is written again; they do not run, and that is seen.
    }
    for (const vault of needless) endVaultProcess(vault, this.#options.directory);
  }

  /** One cannot be taken out of the process: another process gets the others. */
  #expectDeadEnds(): void {
    if (this.#state !== "keeping" || this.#deadEnds !== undefined) return;
    this.#deadEnds = setTimeout(() => {
      this.#deadEnds = undefined;
      if ((this.#current?.deadEnds ?? 0) > 0) this.#replace();
    }, deadEndMsMax).unref();
  }
}
