// SPDX-License-Identifier: Apache-2.0
// How `main` runs a command's body, which the commands are made with.

import type { Command } from "commander";
import type { Invocation } from "./globals.ts";

/** Runs a command's body and keeps its exit code. */
export type Invoke = (
  command: Command,
  body: (invocation: Invocation) => Promise<number>,
) => Promise<void>;
