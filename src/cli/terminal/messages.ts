// SPDX-License-Identifier: Apache-2.0
// Messages for people, on stderr: one line each, after the name of the program.

import type { Invocation } from "../invocation/index.ts";

/** Prints the message always. */
export function say({ context }: Invocation, text: string): void {
  context.stderr.write(`xenlog: ${text}\n`);
}

/** Prints the message with `--verbose` only. */
export function note(invocation: Invocation, text: string): void {
  if (invocation.globals.verbosity === "verbose") say(invocation, text);
}
