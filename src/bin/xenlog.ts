#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The command line as a process: argv in, exit code out.

import { homedir } from "node:os";
import { isatty } from "node:tty";
import { type CliContext, main, type Output } from "../cli/index.ts";
import { describeErrno, isWritable } from "../kernel/index.ts";
import { guardOutputs, LineOutput } from "../program/index.ts";
import { letGoOfDeadTerminals } from "./dead-terminals.ts";
import { packageVersion, programBeside } from "./package.ts";

/** Some terminals report a width of 0. */
const columnsDefault = 80;
/** As other tools exit when their standard output cannot be written. */
const outputFailed = 1;

guardOutputs();
letGoOfDeadTerminals();
const stderr = messages();
const stdout = data();
const code = await main(process.argv.slice(2), contextOf());
const failure = await stdout.failure();
// `xenlog list | head -1` closes the pipe while we write: the reader wants no more.
if (code === 0 && failure !== undefined && failure !== "EPIPE") {
  stderr.write(`xenlog: standard output cannot be written: ${describeErrno(failure)}\n`);
  process.exitCode = outputFailed;
} else {
  process.exitCode = code;
}

function contextOf(): CliContext {
  return {
    environment: process.env,
    directory: process.cwd(),
    homeDirectory: homedir(),
    stdout,
    stderr,
    version: packageVersion(),
    xenlogd: programBeside("xenlogd"),
    onSignal: (signal, handler) => {
      process.on(signal, handler);
      return () => process.off(signal, handler);
    },
  };
}

/** Standard error. Not a stream of Node.js: that makes a pipe non-blocking for all who share it. */
function messages(): Output {
  const fd = 2;
  const isTerminal = isatty(fd);
  const output = new LineOutput({
    fd,
    isReady: isWritable,
    lossLine: (lines, reason) =>
      `xenlog: ${lines} earlier messages could not be written: ${describeErrno(reason)}\n`,
  });
  return {
    write: (text) => output.write(text),
    isTerminal,
    get columns() {
      return (isTerminal && process.stderr.columns) || columnsDefault;
    },
  };
}

/** Standard output, whose reader may take its time; `failure` resolves when all is written, or not. */
function data(): Output & { failure(): Promise<string | undefined> } {
  const { stdout: stream } = process;
  let failed: string | undefined;
  stream.on("error", (error: NodeJS.ErrnoException) => {
    failed ??= error.code ?? "EIO";
  });
  return {
    write: (text) => {
      stream.write(text);
    },
    isTerminal: stream.isTTY === true,
    get columns() {
      return stream.columns || columnsDefault;
    },
    failure: () =>
      new Promise((resolve) => stream.write("", () => setImmediate(() => resolve(failed)))),
  };
}
