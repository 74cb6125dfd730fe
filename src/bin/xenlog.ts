#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The command line as a process: argv in, exit code out.

import { homedir } from "node:os";
import type { WriteStream } from "node:tty";
import { type CliContext, main, type Output } from "../cli/index.ts";
import { packageVersion, programBeside } from "./package.ts";

process.exitCode = await main(process.argv.slice(2), contextOf());

function contextOf(): CliContext {
  return {
    environment: process.env,
    directory: process.cwd(),
    homeDirectory: homedir(),
    stdout: outputOf(process.stdout),
    stderr: outputOf(process.stderr),
    version: packageVersion(),
    xenlogd: programBeside("xenlogd"),
    onSignal: (signal, handler) => {
      process.on(signal, handler);
      return () => process.off(signal, handler);
    },
  };
}

function outputOf(stream: WriteStream): Output {
  // `xenlog list | head -1` closes the pipe while we write: the reader wants no more.
  stream.on("error", () => undefined);
  return {
    write: (text) => {
      stream.write(text);
    },
    isTerminal: stream.isTTY === true,
    get columns() {
      // Some terminals report a width of 0.
      return stream.columns || 80;
    },
  };
}
