// SPDX-License-Identifier: Apache-2.0
// The pumps of this daemon, one for each file system that has logs; started when they are needed.

import type { EmitEvent } from "../../observe/index.ts";
import type { Places } from "../../places/index.ts";
import { isDiskFault, type Program, takeLockIfFree } from "../../program/index.ts";
import type { FromPump, PumpPolicies } from "../../pump/index.ts";
import type { Vault } from "../../vault/index.ts";
import { DaemonError } from "../errors/index.ts";
import { fileSystemOf, readMounts } from "./file-systems.ts";
import type { IdlePool } from "./pool-choice.ts";
import { pumpLockFile } from "./pool-files.ts";
import { PumpProcess } from "./pump-process.ts";

export interface PumpsOptions {
  readonly places: Places;
  readonly positionsDirectory: string;
  readonly vault: Vault;
  readonly program: Program;
  readonly policies: () => PumpPolicies;
  readonly emit: EmitEvent;
  readonly onMessage: (message: FromPump) => void;
  /** The pump of that file system is ready, now or again, and has no streams yet. */
  readonly onStarted: (fileSystem: string) => void;
  /** The pump of that file system cannot start, or not again as long as a disk takes nothing. */
  readonly onFailed: (fileSystem: string, reason: string) => void;
}

export class Pumps {
  readonly #options: PumpsOptions;
  readonly #byFileSystem: Map<string, PumpProcess> = new Map();

  constructor(options: PumpsOptions) {
    this.#options = options;
  }

  /**
   * Starts the pump of the daemon's own log directory; rejects with DaemonError if it cannot. A disk that
   * takes nothing keeps no daemon from starting: each request is another try.
   */
  async startFirst(): Promise<void> {
    const { ownLogDirectory } = this.#options.places;
    const fileSystem = fileSystemOf(ownLogDirectory, readMounts());
    try {
      await this.#make(fileSystem, ownLogDirectory).start();
    } catch (error) {
      if (!(error instanceof DaemonError && error.code === "pumpDisk")) throw error;
      this.#cannotStart(fileSystem, error);
    }
  }

  /** The pump of a file system; `directory` is for people. */
  of(fileSystem: string, directory: string): PumpProcess {
    const known = this.#byFileSystem.get(fileSystem);
    if (known !== undefined) return known;
    const pump = this.#make(fileSystem, directory);
    pump.start().catch((error: Error) => this.#cannotStart(fileSystem, error));
    return pump;
  }

  /** The next request on that file system tries again. */
  #cannotStart(fileSystem: string, { message }: Error): void {
    this.#byFileSystem.delete(fileSystem);
    this.#options.emit({ kind: "PumpEnded", fileSystem, reason: message });
    this.#options.onFailed(fileSystem, message);
  }

  /** Sends them the present configuration. */
  configure(): void {
    for (const pump of this.#byFileSystem.values()) pump.configure();
  }

  /** Log files may have been moved: the pumps look for them under their names again. */
  reopen(): void {
    for (const pump of this.#byFileSystem.values()) pump.send({ type: "reopen" });
  }

  /** Drains and ends all of them. Resolves with the bytes that stay in stages. */
  async stop(): Promise<number | "unknown"> {
    const tried = new Set(this.#pools.map(({ name }) => name));
    const unused = this.#options.vault.heldPools.filter((name) => !tried.has(name));
    const stranded = await Promise.all([...this.#byFileSystem.values()].map((pump) => pump.stop()));
    stranded.push(...unused.map((name) => this.#giveUpUnused(name)));
    if (stranded.includes("unknown")) return "unknown";
    return stranded.reduce((sum: number, bytes) => sum + Number(bytes), 0);
  }

  /** Stages of an earlier daemon that no stream of this one needed. */
  #giveUpUnused(pool: string): number | "unknown" {
    const { places, vault } = this.#options;
    try {
      // With the lock this process is the owner of the stages, and may ask them.
      using lock = takeLockIfFree(pumpLockFile(places.volatileDirectory, pool), "exclusive");
      const bytes = lock === undefined ? "unknown" : vault.stagedBytes(pool);
      if (bytes === 0) vault.giveUpStages(pool);
      return bytes;
    } catch (error) {
      if (!isDiskFault(error)) throw error;
      return "unknown";
    }
  }

  get #pools(): readonly NonNullable<PumpProcess["pool"]>[] {
    return [...this.#byFileSystem.values()].flatMap(({ pool }) => pool ?? []);
  }

  /** Stages that belong to no pump of this daemon; more than one pump may look at them. */
  #idlePools(): readonly IdlePool[] {
    const { vault } = this.#options;
    const used = new Set(this.#pools.flatMap(({ name, kind }) => (kind === "own" ? [name] : [])));
    return vault.poolNames
      .filter((name) => !used.has(name))
      .map((name) => ({ name, contents: vault.contentsOf(name) }));
  }

  #make(fileSystem: string, directory: string): PumpProcess {
    const { places, positionsDirectory, vault, program, policies, emit, onMessage } = this.#options;
    const pump = new PumpProcess({
      fileSystem,
      directory,
      volatileDirectory: places.volatileDirectory,
      positionsDirectory,
      vault,
      idlePools: () => this.#idlePools(),
      program,
      policies,
      emit,
      onMessage,
      onStarted: () => this.#options.onStarted(fileSystem),
      onWaiting: (reason) => this.#options.onFailed(fileSystem, reason),
    });
    this.#byFileSystem.set(fileSystem, pump);
    return pump;
  }
}
