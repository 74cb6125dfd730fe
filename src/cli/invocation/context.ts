// SPDX-License-Identifier: Apache-2.0
// All that a command may know of the world outside: nothing in this folder touches `process`.

/** Where text goes. Writing never fails: whoever closed the other end wants no more. */
export interface Output {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Width in characters; 80 if nobody knows. */
  readonly columns: number;
}

/** Signals that a command may want to act on. */
export type HandledSignal = "SIGHUP" | "SIGINT" | "SIGQUIT" | "SIGTERM" | "SIGUSR1" | "SIGUSR2";

export interface CliContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The working directory. */
  readonly directory: string;
  readonly homeDirectory: string;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly version: string;
  /** Program and first arguments that start the daemon. */
  readonly xenlogd: readonly [string, ...string[]];
  /** Calls `handler` for each such signal in place of the default; returns how to undo it. */
  onSignal(signal: HandledSignal, handler: () => void): () => void;
}
