// SPDX-License-Identifier: Apache-2.0
// The errors with which xenlogd ends, and the exit code of each.

import { ConfigurationError, DaemonError } from "../daemon/index.ts";
import { PlacesError } from "../places/index.ts";
import { printLine } from "../program/index.ts";

export const exitCode = { ok: 0, failure: 1, usage: 2, alreadyRunning: 7 } as const;

export type ExpectedError = ConfigurationError | DaemonError | PlacesError;

export function isExpected(error: unknown): error is ExpectedError {
  return [ConfigurationError, DaemonError, PlacesError].some((kind) => error instanceof kind);
}

export function exitCodeOf({ code }: ExpectedError): number {
  if (code === "alreadyRunning") return exitCode.alreadyRunning;
  return code === "configuration" ? exitCode.usage : exitCode.failure;
}

export function printFaults(error: ExpectedError): void {
  const faults = error instanceof ConfigurationError ? error.faults : [error.message];
  for (const fault of faults) printLine(`xenlogd: ${fault}`);
}
