// SPDX-License-Identifier: Apache-2.0
// The last words of a program that ends by a bug: its error with the stack, safe for a terminal.
// Node.js would print the error's text as it is.

import { standardError } from "./output.ts";

const causesMax = 8;

/** From now on an error that is not caught ends the program with exit code 1, as in Node.js. */
export function reportBugs(program: string): void {
  process.on("uncaughtException", (error: unknown) => {
    for (const line of linesOfBug(error)) standardError().line(`${program}: ${line}`);
    process.exit(1);
  });
}

/** The error's text in one line, then the places in the code, then the same for its causes. */
export function linesOfBug(error: unknown): readonly string[] {
  const lines: string[] = [];
  let left: unknown = error;
  for (let depth = 0; left !== undefined && depth < causesMax; depth += 1) {
    if (!(left instanceof Error)) return [...lines, String(left)];
    const text = `${left.name}: ${left.message}`;
    lines.push(depth === 0 ? text : `caused by ${text}`, ...placesOf(left));
    left = left.cause;
  }
  return lines;
}

/** The stack begins with the error's text, which may look like a place and is cut off as it is. */
function placesOf({ stack = "", message }: Error): readonly string[] {
  const end = stack.indexOf(message);
  const places = end < 0 ? stack : stack.slice(end + message.length);
  return places.split("\n").filter((line) => /^ {4}at /.test(line));
}
