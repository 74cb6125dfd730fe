// SPDX-License-Identifier: Apache-2.0
// Our own standard output and error where words may be lost without a count: before the daemon's log
// is there, and for what Node.js itself has to say.

import { writeSync } from "node:fs";

const descriptors = { stdout: 1, stderr: 2 } as const;

/** Writes the words, or not: no trouble there is a reason to end. */
export function printWords(text: string, where: keyof typeof descriptors = "stderr"): void {
  try {
    writeSync(descriptors[where], text);
  } catch {
    // There is nobody to tell.
  }
}

/**
 * A warning of Node.js that cannot be printed ends the process (a full disk), or does so later (a
 * stream without a listener for its errors). Call it first.
 */
export function guardOutputs(): void {
  process.removeAllListeners("warning");
  process.on("warning", ({ name, message }) => printWords(`${name}: ${message}\n`));
}
