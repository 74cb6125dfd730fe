// SPDX-License-Identifier: Apache-2.0
// The steps of `xenlog run`: COMMAND as a process, its signals, its log, the line on the terminal.

export { type CommandLine, exitOf, signalExitCode, startChild } from "./child.ts";
export { findCommand } from "./command-lookup.ts";
export { closeLog, printLastLine } from "./end.ts";
export { showLiveLine } from "./live-line.ts";
export { type OpenLog, openLog, releaseOwner } from "./open-log.ts";
export { routeSignals, type SignalRoute } from "./signals.ts";
