// SPDX-License-Identifier: Apache-2.0
// The last words of a program that ends by a bug: its error with the stack.

const causesMax = 8;

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
