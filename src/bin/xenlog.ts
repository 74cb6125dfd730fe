#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The command line as a process: argv in, exit code out.

import { homedir } from "node:os";
import { type CliContext, main } from "../cli/index.ts";
import { describeErrno } from "../kernel/index.ts";
import { guardOutputs } from "../program/index.ts";
import { letGoOfDeadTerminals } from "./dead-terminals.ts";
import { packageVersion, programBeside } from "./package.ts";
import { data, messages } from "./xenlog-outputs.ts";

/** As other tools exit when their standard output cannot be written. */
const outputFailed = 1;

guardOutputs("xenlog");
letGoOfDeadTerminals();
const stderr = messages();
const stdout = data();
const code = await main(process.argv.slice(2), contextOf());
const failure = await stdout.failure();
// `xenlog list | head -1` closes the pipe while we write: the reader wants no more.
if (code === 0 && failure !== undefined && failure !== "EPIPE") {
  stderr.line(`xenlog: standard output cannot be written: ${describeErrno(failure)}`);
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
    loseUnreadMessages: () => stderr.stopWaiting(),
    version: packageVersion(),
    xenlogd: programBeside("xenlogd"),
    onSignal: (signal, handler) => {
      process.on(signal, handler);
      return () => process.off(signal, handler);
    },
  };
}
