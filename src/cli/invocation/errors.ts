// SPDX-License-Identifier: Apache-2.0
// What a command itself can find wrong. `message` is one sentence for people, `code` is for programs.

export type CliErrorCode =
  /** The command line cannot be parsed, or a value on it is bad. */
  | "usage"
  | "unreachable"
  | "refused"
  | "timeout"
  | "notFound"
  | "alreadyRunning"
  | "failed"
  | "commandNotFound"
  | "commandNotExecutable";

export class CliError extends Error {
  readonly code: CliErrorCode;

  constructor(code: CliErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "CliError";
    this.code = code;
  }
}

/** xenlogd was killed before it was ready. */
export class DaemonKilledError extends Error {
  readonly code = "daemonKilled";
}

/** xenlogd said why it cannot run; its sentence and its code are passed on. */
export class DaemonStartError extends Error {
  readonly code: string;
  readonly exitCode: number;

  constructor(code: string, message: string, exitCode: number) {
    super(message);
    this.name = "DaemonStartError";
    this.code = code;
    this.exitCode = exitCode;
  }
}
