#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The command line as a process: argv in, exit code out.

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { extname } from "node:path";
import type { WriteStream } from "node:tty";
import { fileURLToPath } from "node:url";
import { type CliContext, main, type Output } from "../cli/index.ts";

// `.ts` from the sources, `.js` from a build: the programs beside this one are of the same kind.
const extension = extname(import.meta.filename);

process.exitCode = await main(process.argv.slice(2), contextOf());

function contextOf(): CliContext {
  return {
    environment: process.env,
    directory: process.cwd(),
    homeDirectory: homedir(),
    stdout: outputOf(process.stdout),
    stderr: outputOf(process.stderr),
    version: readVersion(),
    xenlogd: [process.execPath, fileURLToPath(new URL(`./xenlogd${extension}`, import.meta.url))],
    onSignal: (signal, handler) => {
      process.on(signal, handler);
      return () => process.off(signal, handler);
    },
  };
}

function outputOf(stream: WriteStream): Output {
  // `xenlog list | head -1` closes the pipe while we write: no reader is left.
  stream.on("error", () => undefined);
  return {
    write: (text) => {
      stream.write(text);
    },
    isTerminal: stream.isTTY === true,
    get columns() {
      // Some terminals say that they have no columns at all.
      return stream.columns || 80;
    },
  };
}

function readVersion(): string {
  const manifest: unknown = JSON.parse(
    readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
  );
  const known = typeof manifest === "object" && manifest !== null && "version" in manifest;
  return known ? String(manifest.version) : "unknown";
}
