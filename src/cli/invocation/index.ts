// SPDX-License-Identifier: Apache-2.0
// What every command is started with, and what its end means: context, global options, errors.

export type { CliContext, DataOutput, HandledSignal } from "./context.ts";
export { CliError, DaemonKilledError, DaemonStartError } from "./errors.ts";
export {
  describeError,
  exitCode,
  exitCodeOf,
  runExitCodeOf,
  signalExitCode,
} from "./exit-codes.ts";
export { addGlobalOptions, type Globals, parseDescriptor, parseGlobals } from "./globals.ts";
export {
  domainHelp,
  exitCodesHelp,
  helpAfter,
  overflowHelp,
  runExitCodesHelp,
  statesHelp,
} from "./help.ts";
export type { Invocation, Invoke } from "./invocation.ts";
