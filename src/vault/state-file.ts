// SPDX-License-Identifier: Apache-2.0
// The file that says which detached processes keep descriptors for the daemon of a directory. Each of
// them reads it as well, and ends when its token is not in it. One line, replaced by rename.

import { rmSync } from "node:fs";
import * as v from "valibot";
import type { EmitEvent } from "../observe/index.ts";
import {
  loadState,
  type ProcessIdentity,
  parseIdentity,
  reasonOf,
  replaceFile,
} from "../program/index.ts";

export const stateFileName = "vault.json";

/** A stage as the process has it: its descriptor there, and the inode of the pipe behind it. */
export interface HeldStage {
  readonly pool: string;
  readonly fd: number;
  readonly inode: number;
}

export interface VaultProcess {
  /** On its command line, too: a pid may be used again. */
  readonly token: string;
  readonly process: ProcessIdentity;
  readonly stages: readonly HeldStage[];
}

/** What the file says. */
interface VaultState {
  /** The newest first. */
  readonly processes: readonly VaultProcess[];
  /** By the name of a pool of stages: the file system that its bytes belong to, as far as known. */
  readonly contents: Readonly<Record<string, string>>;
  /**
   * Epochs of the streams whose FIFOs an orderly stop has left in a process; the others were empty and
   * had no writer. Undefined while a daemon runs, and after one that was killed: all are kept.
   */
  readonly leftFifos?: readonly string[] | undefined;
}

const identitySchema = v.pipe(
  v.unknown(),
  v.transform(parseIdentity),
  v.custom<ProcessIdentity>((value) => value !== undefined),
);

const stateSchema = v.object({
  version: v.literal(2),
  processes: v.array(
    v.object({
      token: v.pipe(v.string(), v.regex(/^[0-9a-f]{16,64}$/)),
      process: identitySchema,
      stages: v.array(v.object({ pool: v.string(), fd: v.number(), inode: v.number() })),
    }),
  ),
  contents: v.record(v.string(), v.string()),
  leftFifos: v.optional(v.array(v.string())),
});

export class StateFile {
  readonly #path: string;
  readonly #emit: EmitEvent;
  /** `undefined` if there was no file, or a damaged one, which is set aside. */
  readonly #found: VaultState | undefined;
  readonly #foundLeft: ReadonlySet<string>;
  /** By the name of a pool of stages; see VaultState. */
  readonly contents: Map<string, string>;

  /** Reads what an earlier daemon has left. */
  constructor(directory: string, emit: EmitEvent) {
    this.#path = `${directory}/${stateFileName}`;
    this.#emit = emit;
    const parse = (text: string): VaultState => v.parse(stateSchema, JSON.parse(text));
    this.#found = loadState(this.#path, parse, (file) => emit({ kind: "StateSetAside", ...file }));
    this.#foundLeft = new Set(this.#found?.leftFifos);
    this.contents = new Map(Object.entries(this.#found?.contents ?? {}));
  }

  /** The processes of earlier daemons, running or not. */
  get foundProcesses(): readonly VaultProcess[] {
    return this.#found?.processes ?? [];
  }

  get foundLeftFifos(): readonly string[] | undefined {
    return this.#found?.leftFifos;
  }

  /** Whether an earlier daemon kept the FIFO of that stream when it ended. */
  hasKept(epoch: string): boolean {
    if (this.#found === undefined) return false;
    return this.#found.leftFifos === undefined || this.#foundLeft.has(epoch);
  }

  /** Throws what the file system refuses; the file is as before then. */
  write(processes: readonly VaultProcess[], leftFifos: VaultState["leftFifos"]): void {
    const contents = Object.fromEntries(this.contents);
    const state = { version: 2, processes, contents, leftFifos };
    replaceFile(this.#path, `${JSON.stringify(state)}\n`);
  }

  /** The same; reports what the file system refuses. */
  tryWrite(processes: readonly VaultProcess[], leftFifos: VaultState["leftFifos"]): void {
    this.#try(() => this.write(processes, leftFifos));
  }

  /** Reports what the file system refuses: it must not keep the daemon from its stop. */
  remove(): void {
    this.#try(() => rmSync(this.#path, { force: true }));
  }

  #try(change: () => void): void {
    try {
      change();
    } catch (error) {
      this.#emit({ kind: "VaultProcessFailed", reason: reasonOf(error) });
    }
  }
}
