// SPDX-License-Identifier: Apache-2.0
// Our own standard output and error where words may be lost without a count: before the daemon's log
// is there, and for what Node.js itself has to say.

import { closeSync, writeSync } from "node:fs";
import { linesOfBug } from "./bugs.ts";
import { safeLines, safeText } from "./safe-text.ts";
import { openWithoutWaiting, waitABit } from "./without-waiting.ts";

const descriptors = { stdout: 1, stderr: 2 } as const;
/** How long the reader of standard error may read nothing; that of standard output may always. */
const patienceMs = 1000;

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
    if (where === "stdout") writeSync(descriptors.stdout, text);
    else printPatiently(Buffer.from(text));
  } catch {
    // There is nobody to tell.
  }
}

function printPatiently(text: Uint8Array): void {
  const fd = openWithoutWaiting(descriptors.stderr);
  try {
    let endMs = performance.now() + patienceMs;
    for (let at = 0; at < text.byteLength && performance.now() < endMs; ) {
      const written = writeIfPossible(fd, text.subarray(at));
      at += written;
      if (written > 0) endMs = performance.now() + patienceMs;
      else waitABit();
    }
  } finally {
    if (fd !== descriptors.stderr) closeSync(fd);
  }
}

function writeIfPossible(fd: number, bytes: Uint8Array): number {
  try {
    return writeSync(fd, bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    return 0;
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
