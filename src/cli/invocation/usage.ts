// SPDX-License-Identifier: Apache-2.0
// What commander finds wrong with a command line, as one sentence that says where the help is.

import type { Command, CommanderError } from "commander";
import { quote } from "../../contract/index.ts";

/** `command` is the one that the line names, `undefined` if it names none. */
export function usageSentence(error: CommanderError, command: Command | undefined): string {
  if (error.code === "commander.unknownCommand") {
    return `${sentenceOf(error)}; xenlog help lists the commands`;
  }
  const help = command === undefined ? "xenlog help" : `xenlog help ${command.name()}`;
  if (error.code === "commander.excessArguments" && command !== undefined) {
    const excess = command.args.slice(command.registeredArguments.length);
    const name = command.name();
    return `too many arguments for ${name}: ${excess.map(quote).join(" ")}; see ${help}`;
  }
  return isAboutForm(error) ? `${sentenceOf(error)}; see ${help}` : sentenceOf(error);
}

/** Of a bad value the sentence says itself what would be right. */
function isAboutForm({ code }: CommanderError): boolean {
  return ["unknownOption", "missingArgument", "optionMissingArgument"].some(
    (kind) => code === `commander.${kind}`,
  );
}

/** Its hint is a line of its own; other line feeds are the user's. */
function sentenceOf({ message }: CommanderError): string {
  return message.replace(/^error: /, "").replace(/\n(\(Did you mean [^\n]*\))$/, " $1");
}
