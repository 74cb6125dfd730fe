// SPDX-License-Identifier: Apache-2.0
// The commands of `xenlog`, one a file, in the order of the help.

import type { Command } from "commander";
import type { Invoke } from "../invocation/index.ts";
import { closeCommand } from "./close.ts";
import { createCommand } from "./create.ts";
import { listCommand } from "./list.ts";
import { reloadCommand } from "./reload.ts";
import { runCommand } from "./run.ts";
import { xenstoredCommand } from "./xenstored.ts";

export const commands: readonly ((invoke: Invoke) => Command)[] = [
  runCommand,
  createCommand,
  closeCommand,
  listCommand,
  reloadCommand,
  xenstoredCommand,
];
