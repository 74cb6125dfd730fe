// SPDX-License-Identifier: Apache-2.0
// COMMAND as a process: our stdin, the log as stdout and stderr, its end as an exit code.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { constants } from "node:os";
import { errnoNameOf } from "../../kernel/index.ts";
import type { CliContext } from "../invocation/index.ts";
import { CliError, exitCode } from "../invocation/index.ts";

export interface CommandLine {
  /** The file to execute. */
  readonly file: string;
  /** As it was written on the command line, then its arguments. */
  readonly words: readonly [string, ...string[]];
}

/** Two separate open file descriptions on the log's FIFO. */
export interface LogDescriptors {
  readonly stdout: number;
  readonly stderr: number;
}

/** Starts COMMAND and closes our copies of the descriptors, so that its end is the writer's end. */
export function startChild(
  context: CliContext,
  program: CommandLine,
  descriptors: LogDescriptors,
): ChildProcess {
  const [argv0, ...args] = program.words;
  try {
    return spawn(program.file, args, {
      argv0,
      cwd: context.directory,
      env: context.environment,
      stdio: ["inherit", descriptors.stdout, descriptors.stderr],
    });
  } finally {
    closeSync(descriptors.stdout);
    closeSync(descriptors.stderr);
  }
}

/** COMMAND's exit code, 128 and the signal's number if one ended it; throws CliError. */
export function exitOf(child: ChildProcess, argv0: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", (error) => {
      // A later error is of a signal that could not be sent: COMMAND is gone.
      if (child.pid === undefined) reject(notStarted(error, argv0));
    });
    child.once("exit", (code, signal) => resolve(code ?? signalExitCode(signal ?? "SIGKILL")));
  });
}

export function signalExitCode(signal: NodeJS.Signals): number {
  return exitCode.signal + constants.signals[signal];
}

function notStarted(error: Error, argv0: string): CliError {
  const errno = errnoNameOf(error);
  // It was there a moment ago: the interpreter in its first line is what is missing.
  if (errno === "ENOENT") {
    const message = `${argv0}: cannot execute: its interpreter does not exist`;
    return new CliError("commandNotExecutable", message, error);
  }
  return new CliError("commandNotExecutable", `${argv0}: cannot execute: ${errno}`, error);
}
