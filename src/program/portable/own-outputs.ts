// SPDX-License-Identifier: Apache-2.0
// Our own standard output and error where words may be lost without a count: before the daemon's log
// is there, and for what Node.js itself has to say.

import { writeSync } from "node:fs";
import { linesOfBug } from "./bugs.ts";
import { safeLines, safeText } from "./safe-text.ts";

const descriptors = { stdout: 1, stderr: 2 } as const;

/** Prints one line, safe for a terminal, or not: no trouble there is a reason to end. */
export function printLine(text: string, where: keyof typeof descriptors = "stderr"): void {
  print(`${safeText(text)}\n`, where);
}

/** The same for lines that this program has composed itself, such as its help. */
export function printLines(text: string, where: keyof typeof descriptors = "stderr"): void {
  print(safeLines(text), where);
}

function print(text: string, where: keyof typeof descriptors): void {
  try {
    writeSync(descriptors[where], text);
  } catch {
    // There is nobody to tell.
  }
}

/**
 * Call it first. A warning of Node.js that cannot be printed ends the process (a full disk), or does so
 * later (a stream without a listener for its errors). A bug ends it with exit code 1 as in Node.js,
 * which would print the error's text as it is.
 */
export function guardOutputs(program: string): void {
  process.removeAllListeners("warning");
  process.on("warning", ({ name, message }) => printLine(`${program}: ${name}: ${message}`));
  process.on("uncaughtException", (error: unknown) => {
    for (const line of linesOfBug(error)) printLine(`${program}: ${line}`);
    process.exit(1);
  });
}
