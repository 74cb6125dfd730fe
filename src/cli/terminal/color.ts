// SPDX-License-Identifier: Apache-2.0
// Whether text for a terminal may have colours.

import type { Output } from "../../program/index.ts";
import type { Invocation } from "../invocation/index.ts";

/** `--color`, then NO_COLOR as no-color.org defines it, then whether `output` is a terminal. */
export function hasColor({ context, globals }: Invocation, output: Output): boolean {
  if (globals.color !== "auto") return globals.color === "always";
  const { NO_COLOR: noColor = "" } = context.environment;
  return output.isTerminal && noColor === "";
}
