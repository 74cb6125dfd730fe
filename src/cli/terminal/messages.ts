// SPDX-License-Identifier: Apache-2.0
// Messages on stderr: one line each, after the name of the program; with --json an object each.

import type { Invocation } from "../invocation/index.ts";

/** Prints the message always. */
export function say({ context, globals }: Invocation, text: string): void {
  if (globals.json) context.stderr.json({ message: text });
  else context.stderr.line(`xenlog: ${text}`);
}

/** Prints the message with `--verbose` only. */
export function note(invocation: Invocation, text: string): void {
  if (invocation.globals.verbosity === "verbose") say(invocation, text);
}
