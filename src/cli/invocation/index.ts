// SPDX-License-Identifier: Apache-2.0
// What every command runs with: the world outside, global options, errors and exit codes.

export type { CliContext, HandledSignal, Output } from "./context.ts";
export { CliError, type CliErrorCode, DaemonKilledError, DaemonStartError } from "./errors.ts";
export { describeError, exitCode, exitCodeOf, runExitCodeOf } from "./exit-codes.ts";
export {
  addGlobalOptions,
  type Globals,
  hasColor,
  type Invocation,
  note,
  parseDescriptor,
  parseGlobals,
} from "./globals.ts";
export type { Invoke } from "./invoke.ts";
