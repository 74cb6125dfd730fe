// SPDX-License-Identifier: Apache-2.0
// The command line of xenlogd: argv in, options out; and the files that the options mean.

import { homedir } from "node:os";
import { Command, Option } from "commander";
import { type ConfigurationFile, findConfigurationFile } from "../daemon/index.ts";
import { defaultDirectory, embeddedPlaces, hostPlaces, type Places } from "../places/index.ts";
import { printLine, printLines } from "../program/index.ts";
import { packageVersion } from "./package.ts";

export interface XenlogdOptions {
  readonly embedded?: true;
  readonly dir?: string;
  readonly config?: string;
  readonly checkConfig?: true;
  readonly transient?: true;
  readonly notifyFd?: number;
}

const exitCodesHelp = `
Exit codes:
  0  stopped in order by SIGTERM or SIGINT    2  wrong command line or configuration
  1  failure                                  7  another xenlogd runs here
SIGHUP reads the configuration again and looks for log files that were moved.`;

/** Throws CommanderError, after commander has printed what is wrong, the help or the version. */
export function parseOptions(argv: readonly string[]): XenlogdOptions {
  const command = new Command("xenlogd")
    .description("The log daemon for the QEMUs of a Xen host, in the foreground.")
    .version(packageVersion(), "--version", "print the version")
    .helpOption("-h, --help", "print this help")
    .option("--embedded", "with a xenstore of its own; never touches the host's")
    .option("--dir <D>", "where an embedded daemon keeps everything; implies --embedded")
    .option("--config <F>", "the configuration file; on a host /etc/xen/xenlogd.toml")
    .option("--check-config", "say OK, or what is wrong in it, and start nothing")
    .addHelpText("after", exitCodesHelp)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => printLines(text, "stdout"),
      writeErr: (text) => printLines(text),
      outputError: (text) => printLine(sentenceOf(text)),
    });
  const hidden = [
    new Option("--transient", "started by run: ends when no run needs it any more"),
    new Option(
      "--notify-fd <FD>",
      "where to write one line of JSON when it is ready, or fails",
    ).argParser(Number),
  ];
  for (const option of hidden) command.addOption(option.hideHelp());
  command.parse([...argv]);
  return command.opts<XenlogdOptions>();
}

/** In one line: commander's hint is a second one; other line feeds are the user's. */
function sentenceOf(text: string): string {
  const sentence = text
    .trimEnd()
    .replace(/^error/, "xenlogd")
    .replace(/\n(\(Did you mean .*\))$/, " $1");
  return `${sentence}; see xenlogd --help`;
}

export function configurationFileOf(options: XenlogdOptions): ConfigurationFile | undefined {
  const { config, dir, embedded } = options;
  const isEmbedded = embedded === true || dir !== undefined;
  return findConfigurationFile(config, process.env, isEmbedded ? "embedded" : "host");
}

export function placesOf({ dir, embedded }: XenlogdOptions): Places {
  if (dir !== undefined) return embeddedPlaces(dir);
  if (embedded === undefined) return hostPlaces(process.env);
  return embeddedPlaces(defaultDirectory(process.env, homedir()));
}
