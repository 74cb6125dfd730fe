// SPDX-License-Identifier: Apache-2.0
// COMMAND as a process: our stdin, the log as stdout and stderr, its end as an exit code. With
// src/program/start.ts the only file that starts a process.

import { spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { describeErrno, errnoNameOf } from "../../kernel/index.ts";
import type { ChildProcess } from "../../program/index.ts";
import { type CliContext, CliError, signalExitCode } from "../invocation/index.ts";

export interface CommandLine {
  /** The file to execute. */
  readonly file: string;
  /** COMMAND as written on the command line, then its arguments. */
  readonly words: readonly [string, ...string[]];
}

/** Two separate open file descriptions on the log's FIFO. */
export interface LogDescriptors {
  readonly stdout: number;
  readonly stderr: number;
}

/** Starts COMMAND and closes our copies of the descriptors: COMMAND is the FIFO's only writer. */
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

/** COMMAND's exit code, or 128 + the number of the signal that ended it; rejects with CliError. */
export function exitOf(child: ChildProcess, argv0: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", (error) => {
      // An error after the start is a signal that could not be sent, because COMMAND has ended.
      if (child.pid === undefined) reject(notStarted(error, argv0));
    });
    child.once("exit", (code, signal) => resolve(code ?? signalExitCode(signal ?? "SIGKILL")));
  });
}

function notStarted(error: Error, argv0: string): CliError {
  const errno = errnoNameOf(error);
  // COMMAND itself was found: the interpreter that its first line names does not exist.
  if (errno === "ENOENT") {
    const message = `${argv0}: cannot execute: its interpreter does not exist`;
    return new CliError("commandNotExecutable", message, error);
  }
  const reason = describeErrno(errno ?? "EIO");
  return new CliError("commandNotExecutable", `${argv0}: cannot execute: ${reason}`, error);
}
