// SPDX-License-Identifier: Apache-2.0
// What a command gets from the world outside. Nothing in src/cli uses `process`: tests pass a
// context of their own.

import type { Output, Program } from "../../program/index.ts";

/** Signals that a command may want to act on. */
export type HandledSignal = "SIGHUP" | "SIGINT" | "SIGQUIT" | "SIGTERM" | "SIGUSR1" | "SIGUSR2";

/** Output that is the result of a command. */
export interface DataOutput extends Output {
  /** Resolves when all is written, or with the errno's name of what failed. */
  failure(): Promise<string | undefined>;
}

export interface CliContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The working directory. */
  readonly directory: string;
  readonly homeDirectory: string;
  readonly stdout: DataOutput;
  readonly stderr: Output;
  /** A command that runs for long calls it first: a reader of `stderr` that stops must not stop it. */
  loseUnreadMessages(): void;
  readonly version: string;
  /** How to start the daemon. */
  readonly xenlogd: Program;
  /** Calls `handler` for each such signal in place of the default; returns how to undo it. */
  onSignal(signal: HandledSignal, handler: () => void): () => void;
}
