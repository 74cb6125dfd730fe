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

/** `check` has nothing to find, since a tree that is never changed in place cannot be torn;
 * `print` is for the log of a server that has one. */
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
