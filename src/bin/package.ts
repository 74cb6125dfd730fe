// SPDX-License-Identifier: Apache-2.0
// The package that these programs are part of: its version and its other programs.

import { readFileSync } from "node:fs";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Program } from "../program/index.ts";

// `.ts` in the sources, `.js` in a build: programs of one kind start each other.
const extension = extname(import.meta.filename);

/** One of the programs in this directory. */
export function programBeside(name: "pump" | "xenlogd" | "xenstored"): Program {
  const path = fileURLToPath(new URL(`./${name}${extension}`, import.meta.url));
  return { command: process.execPath, args: [path] };
}

export function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
