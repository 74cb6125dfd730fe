// SPDX-License-Identifier: Apache-2.0
// `xenlog`: command line in, exit code out. Data goes to stdout, messages to stderr.

import { Command, CommanderError } from "commander";
import { commands } from "./commands/index.ts";
import {
  addGlobalOptions,
  type CliContext,
  describeError,
  exitCode,
  exitCodeOf,
  exitCodesHelp,
  helpAfter,
  type Invoke,
  parseGlobals,
  runExitCodeOf,
} from "./invocation/index.ts";

const examples = [
  "run --name demo --limit 64KiB --copies 3 --dir /tmp/demo -- make test",
  "list",
  "help run",
];

/** `argv` is without the program's name. Never rejects. */
export async function main(argv: readonly string[], context: CliContext): Promise<number> {
  let code: number = exitCode.ok;
  const seen: Seen = { json: false, command: undefined };
  const program = build(context, async (command, body) => {
    code = await body({ context, globals: parseGlobals(command, context.directory) });
  });
  for (const command of [program, ...program.commands]) {
    command.on("option:json", () => {
      seen.json = true;
    });
  }
  program.hook("preSubcommand", (_, command) => {
    seen.command = command;
  });
  try {
    await program.parseAsync(argv, { from: "user" });
    return code;
  } catch (error) {
    // Commander throws after the help and the version as well.
    if (error instanceof CommanderError && error.exitCode === 0) return exitCode.ok;
    report(error, context, seen);
    return seen.command?.name() === "run" ? runExitCodeOf(error) : exitCodeOf(error);
  }
}

/** Of the command line, also of one that is wrong. */
interface Seen {
  json: boolean;
  command: Command | undefined;
}

function build(context: CliContext, invoke: Invoke): Command {
  const program = new Command("xenlog")
    .description("Bounded logs for the QEMUs of a Xen host, and for any other noisy program.")
    .version(context.version, "--version", "print the version")
    .helpOption("-h, --help", "print this help")
    .usage("[global options] COMMAND [options]")
    .helpCommand("help [COMMAND]", "print the help of a command")
    .addHelpText("after", helpAfter(examples, exitCodesHelp))
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.lines(text),
      writeErr: (text) => context.stderr.lines(text),
      getOutHelpWidth: () => context.stdout.columns,
      getErrHelpWidth: () => context.stderr.columns,
      // main() reports the errors of commander with all others.
      outputError: () => undefined,
    })
    .enablePositionalOptions();
  addGlobalOptions(program);
  for (const make of commands) {
    const command = make(invoke).copyInheritedSettings(program);
    addGlobalOptions(command);
    program.addCommand(command);
  }
  return program;
}

function report(error: unknown, context: CliContext, { json, command }: Seen): void {
  // Commander has written the help already.
  if (error instanceof CommanderError && error.code === "commander.help") return;
  const description = describeError(error, command);
  if (json) context.stderr.json({ error: description });
  else context.stderr.line(`xenlog: ${description.message}`);
}
