// SPDX-License-Identifier: Apache-2.0
// What `run` does with COMMAND: find it, open its log, start it, pass signals on, close the log.

export { type CommandLine, exitOf, startChild } from "./child.ts";
export { findCommand } from "./command-lookup.ts";
export { closeLog, printLastLine } from "./end.ts";
export { showLiveLine } from "./live-line.ts";
export { type OpenLog, openLog, releaseOwner } from "./open-log.ts";
export { type SignalRoute, withSignals } from "./signals.ts";
