// SPDX-License-Identifier: Apache-2.0
// The name of a domain that `run` introduces for COMMAND when no option names one.

import { hostName } from "../../contract/index.ts";

/** A character has at most four bytes: a name of that length and `-N` is short enough for a domain. */
const nameCharactersMax = 28;

/** The last component of COMMAND as a domain's name, without the characters that a name must not have. */
export function legalName(argv0: string): string {
  const base = argv0.slice(argv0.lastIndexOf("/") + 1);
  const characters = [...base.replace(/[\p{C}\p{Z}]/gu, "").replace(/^\.+/, "")];
  const name = characters.slice(0, nameCharactersMax).join("");
  if (name === "") return "command";
  return name === hostName || /^[0-9]+$/.test(name) ? `run-${name}` : name;
}
