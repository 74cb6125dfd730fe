// SPDX-License-Identifier: Apache-2.0
// The one place where an error becomes an exit code, and a name for programs.

import { constants } from "node:os";
import { type Command, CommanderError } from "commander";
import { ContractError } from "../../contract/index.ts";
import { ControlError, type ControlErrorCode } from "../../control/index.ts";
import { PlacesError } from "../../places/index.ts";
import { reasonOf } from "../../program/index.ts";
import { ToolstackError, type ToolstackErrorCode } from "../../toolstack/index.ts";
import { XenstoreError, type XenstoreErrorCode } from "../../xenstore/index.ts";
import { XenstoreServerError } from "../../xenstore/server/index.ts";
import { CliError, type CliErrorCode, DaemonStartError } from "./errors.ts";
import { usageSentence } from "./usage.ts";

export const exitCode = {
  ok: 0,
  failure: 1,
  usage: 2,
  unreachable: 3,
  refused: 4,
  timeout: 5,
  notFound: 6,
  alreadyRunning: 7,
  /** Of `run`, whose smaller codes belong to COMMAND. */
  runFailed: 125,
  notExecutable: 126,
  commandNotFound: 127,
  /** A signal's number is added. */
  signal: 128,
} as const;

const ofCli: Readonly<Record<CliErrorCode, number>> = {
  usage: exitCode.usage,
  unreachable: exitCode.unreachable,
  refused: exitCode.refused,
  timeout: exitCode.timeout,
  notFound: exitCode.notFound,
  alreadyRunning: exitCode.alreadyRunning,
  failed: exitCode.failure,
  commandNotFound: exitCode.commandNotFound,
  commandNotExecutable: exitCode.notExecutable,
};

const ofControl: Readonly<Record<ControlErrorCode, number>> = {
  unreachable: exitCode.unreachable,
  forbidden: exitCode.unreachable,
  timeout: exitCode.timeout,
  protocol: exitCode.failure,
  failed: exitCode.failure,
};

const ofToolstack: Partial<Record<ToolstackErrorCode, number>> = {
  option: exitCode.usage,
  refused: exitCode.refused,
  timeout: exitCode.timeout,
};

const ofXenstore: Partial<Record<XenstoreErrorCode, number>> = {
  UNREACHABLE: exitCode.unreachable,
  LOST: exitCode.unreachable,
  TIMEOUT: exitCode.timeout,
};

/** The exit code of a command that failed with `error`. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CliError) return ofCli[error.code];
  if (error instanceof DaemonStartError) return error.exitCode;
  if (error instanceof ContractError || error instanceof PlacesError) return exitCode.usage;
  if (error instanceof CommanderError) return exitCode.usage;
  if (error instanceof ControlError) return ofControl[error.code];
  if (error instanceof XenstoreServerError) {
    return error.code === "IN_USE" ? exitCode.alreadyRunning : exitCode.failure;
  }
  if (error instanceof ToolstackError) {
    if (error.code === "xenstore") return exitCodeOf(error.cause);
    return ofToolstack[error.code] ?? exitCode.failure;
  }
  if (error instanceof XenstoreError) return ofXenstore[error.code] ?? exitCode.failure;
  return exitCode.failure;
}

/** The exit code of a program that the signal ended. */
export function signalExitCode(signal: NodeJS.Signals): number {
  return exitCode.signal + constants.signals[signal];
}

/** The same for `run`: 126 and 127 are about COMMAND, every other error is run's own: 125. */
export function runExitCodeOf(error: unknown): number {
  const code = exitCodeOf(error);
  const aboutCommand = code === exitCode.notExecutable || code === exitCode.commandNotFound;
  return aboutCommand ? code : exitCode.runFailed;
}

export interface ErrorDescription {
  readonly code: string;
  /** One sentence, without the program's name. */
  readonly message: string;
}

/** What `--json` and people get to read about `error` of the command that the line names. */
export function describeError(error: unknown, command?: Command): ErrorDescription {
  if (error instanceof CommanderError) {
    return { code: "usage", message: usageSentence(error, command) };
  }
  if (error instanceof ContractError) return { code: "usage", message: error.message };
  if (error instanceof Error) {
    const code = "code" in error && typeof error.code === "string" ? error.code : "internal";
    return { code, message: reasonOf(error) };
  }
  return { code: "internal", message: reasonOf(error) };
}
