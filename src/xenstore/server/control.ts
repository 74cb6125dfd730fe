// SPDX-License-Identifier: Apache-2.0
// CONTROL, as xenstore-control sends it: the three commands that make sense without a hypervisor.

import { encodeStrings } from "../message.ts";
import { isPrivileged } from "./access.ts";
import { type Call, type Outcome, ok, strings } from "./call.ts";

const commands: Readonly<Record<string, string>> = {
  check: "",
  help: "",
  print: "<string>",
};

/** `check` does nothing: a tree that is never changed in place stays consistent. `print` does
 * nothing: this server has no log. */
export function control(call: Call): Outcome {
  if (!isPrivileged(call.subject)) return "EACCES";
  const [command, ...args] = strings(call) ?? [];
  switch (command) {
    case "check":
      return args.length === 0 ? ok : "EINVAL";
    case "print":
      return args.length === 1 ? ok : "EINVAL";
    case "help":
      return args.length === 0 ? encodeStrings(helpText()) : "EINVAL";
    default:
      return "EINVAL";
  }
}

function helpText(): string {
  return Object.entries(commands)
    .map(([name, args]) => `${name}\t${args}\n`)
    .join("");
}
