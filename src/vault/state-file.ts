// SPDX-License-Identifier: Apache-2.0
// The file that says which detached processes keep descriptors for the daemon of a directory. Each of
// them reads it as well, and ends when its token is not in it. One line, replaced by rename.

import { readFileSync, rmSync } from "node:fs";
import * as v from "valibot";
import { type ProcessIdentity, parseIdentity, replaceFile } from "../program/index.ts";

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
export interface VaultState {
  /** The newest first. */
  readonly processes: readonly VaultProcess[];
  /** By the name of a pool of stages: the file system that its bytes belong to, as far as known. */
  readonly contents: Readonly<Record<string, string>>;
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
  contents: v.optional(v.record(v.string(), v.string()), {}),
});

const emptyState: VaultState = { processes: [], contents: {} };

/** Empty if there is no file, or a damaged one. */
export function readVaultState(directory: string): VaultState {
  try {
    const text = readFileSync(pathIn(directory), "utf8");
    return v.parse(stateSchema, JSON.parse(text));
  } catch {
    return emptyState;
  }
}

/** Throws what the file system refuses; the file is as before then. */
export function writeVaultState(directory: string, state: VaultState): void {
  replaceFile(pathIn(directory), `${JSON.stringify({ version: 2, ...state })}\n`);
}

export function removeVaultState(directory: string): void {
  rmSync(pathIn(directory), { force: true });
}

function pathIn(directory: string): string {
  return `${directory}/${stateFileName}`;
}
