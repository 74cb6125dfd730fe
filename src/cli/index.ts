// SPDX-License-Identifier: Apache-2.0
// The command line without a process; bin/xenlog.ts is the process.

export type { CliContext, DataOutput, HandledSignal } from "./invocation/index.ts";
export { main } from "./main.ts";
