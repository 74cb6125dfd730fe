// SPDX-License-Identifier: Apache-2.0
// The options that every command takes, before or after its name.

import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { ContractError, quote } from "../../contract/index.ts";

export interface Globals {
  /** D of `--dir`, absolute. */
  readonly directory: string | undefined;
  readonly embedded: boolean;
  /** Of `--config`, absolute: for a daemon that is started. */
  readonly configurationFile: string | undefined;
  readonly json: boolean;
  readonly verbosity: "quiet" | "normal" | "verbose";
  readonly color: "auto" | "always" | "never";
}

/** The texts that commander passes. */
interface GlobalTexts {
  readonly dir?: string;
  readonly embedded?: true;
  readonly config?: string;
  readonly json?: true;
  readonly quiet?: true;
  readonly verbose?: true;
  readonly color?: Globals["color"];
}

const group = "Global options:";

export function addGlobalOptions(command: Command): void {
  const options = [
    new Option("--dir <D>", "an embedded daemon and its own xenstore below this directory"),
    new Option("--embedded", "embedded in the default directory of run"),
    new Option("--config <F>", "the configuration file of a daemon that run starts"),
    new Option("--json", "output and errors as JSON"),
    new Option("-q, --quiet", "only errors and results"),
    new Option("-v, --verbose", "say what is being done"),
    new Option("--color <when>", "colours on a terminal").choices(["auto", "always", "never"]),
  ];
  for (const option of options) command.addOption(option.helpGroup(group));
}

/** Options of a command win over those before its name. */
export function parseGlobals(command: Command, directory: string): Globals {
  const given: GlobalTexts = { ...command.parent?.opts(), ...command.opts() };
  const { dir, config, quiet, verbose } = given;
  if (dir === "") command.error("error: --dir is empty");
  if (config === "") command.error("error: --config is empty");
  return {
    directory: dir === undefined ? undefined : resolve(directory, dir),
    embedded: given.embedded === true,
    configurationFile: config === undefined ? undefined : resolve(directory, config),
    json: given.json === true,
    verbosity: quiet ? "quiet" : verbose ? "verbose" : "normal",
    color: given.color ?? "auto",
  };
}

/** A descriptor's number, 3 to 9999; throws ContractError. */
export function parseDescriptor(text: string | undefined, what: string): number | undefined {
  if (text === undefined) return undefined;
  if (/^[0-9]{1,4}$/.test(text) && Number(text) > 2) return Number(text);
  throw new ContractError("syntax", `${what} is ${quote(text)}; it must be a descriptor above 2`);
}
