#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The command line as a process: argv in, exit code out.

import { homedir } from "node:os";
import { type CliContext, main } from "../cli/index.ts";
import { reportBugs, standardError, standardOutput } from "../program/index.ts";
import { packageVersion, programBeside } from "./package.ts";

reportBugs("xenlog");
process.exitCode = await main(process.argv.slice(2), contextOf());

function contextOf(): CliContext {
  return {
    environment: process.env,
    directory: process.cwd(),
    homeDirectory: homedir(),
    stdout: standardOutput(),
    stderr: standardError(),
    version: packageVersion(),
    xenlogd: programBeside("xenlogd"),
    onSignal: (signal, handler) => {
      process.on(signal, handler);
      return () => process.off(signal, handler);
    },
  };
}
