// SPDX-License-Identifier: Apache-2.0
// One run of one command: the world outside and the global options.

import type { Command } from "commander";
import type { CliContext } from "./context.ts";
import type { Globals } from "./globals.ts";

/** What a command runs with. */
export interface Invocation {
  readonly context: CliContext;
  readonly globals: Globals;
}

/** Runs a command's body and keeps its exit code. */
export type Invoke = (
  command: Command,
  body: (invocation: Invocation) => Promise<number>,
) => Promise<void>;
