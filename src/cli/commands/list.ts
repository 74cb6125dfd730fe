// SPDX-License-Identifier: Apache-2.0
// `xenlog list [DOMAIN] [--all]`: the daemon's state, as a table or as JSON. Looks at no file.

import { Command } from "commander";
import type { StreamStatus } from "../../control/index.ts";
import {
  CliError,
  domainHelp,
  exitCode,
  exitCodesHelp,
  helpAfter,
  type Invocation,
  type Invoke,
  statesHelp,
} from "../invocation/index.ts";
import { formatStall, isOfDomain, parseDomainArgument, titleOf } from "../logs/index.ts";
import { findDaemon } from "../target/index.ts";
import {
  type Column,
  formatBytes,
  formatCount,
  formatTable,
  hasColor,
  say,
  sumOf,
} from "../terminal/index.ts";

const columns: readonly Column<StreamStatus>[] = [
  { heading: "DOMAIN", align: "left", text: (stream) => stream.name },
  { heading: "LOG", align: "left", text: (stream) => stream.log },
  { heading: "ID", align: "right", text: (stream) => String(stream.id) },
  { heading: "STATE", align: "left", text: stateOf },
  { heading: "KEPT", align: "right", text: (stream) => formatBytes(stream.sizeBytes) },
  { heading: "OF", align: "right", text: (stream) => formatBytes(stream.boundBytes) },
  { heading: "WRITTEN", align: "right", text: (stream) => formatBytes(stream.writtenBytes) },
  {
    heading: "DROPPED",
    align: "right",
    text: (stream) => formatBytes(sumOf(stream.droppedBytes)),
  },
  { heading: "ROTATIONS", align: "right", text: (stream) => String(stream.rotations) },
  { heading: "FILE", align: "left", text: (stream) => stream.file },
];

const examples = ["list", "list vm1 --all", "list --json --dir /tmp/demo"];

export function listCommand(invoke: Invoke): Command {
  const command = new Command("list")
    .description("print the logs that the daemon knows")
    .argument("[DOMAIN]", "a name, a domid or host")
    .option("--all", "closed ones too")
    .addHelpText("after", helpAfter(examples, domainHelp, statesHelp, exitCodesHelp));
  return command.action((domain: string | undefined) =>
    invoke(command, (invocation) =>
      list(invocation, domain, command.opts<{ all?: true }>().all === true),
    ),
  );
}

async function list(
  invocation: Invocation,
  domainText: string | undefined,
  all: boolean,
): Promise<number> {
  const domain = domainText === undefined ? undefined : parseDomainArgument(domainText);
  const { daemon } = await findDaemon(invocation);
  const known = await daemon.streams({ all });
  const streams = domain === undefined ? known : known.filter((one) => isOfDomain(one, domain));
  if (domain !== undefined && streams.length === 0) {
    throw new CliError("notFound", `there is no log of ${domainText}`);
  }
  print(invocation, streams);
  const { lostLines } = await daemon.status();
  if (lostLines > 0 && invocation.globals.verbosity !== "quiet") {
    say(invocation, `xenlogd could not write ${formatCount(lostLines, "line")} of its own log`);
  }
  return exitCode.ok;
}

function print(invocation: Invocation, streams: readonly StreamStatus[]): void {
  const { context, globals } = invocation;
  if (globals.json) {
    // The control client's schema lets only the documented fields pass, in their frozen order.
    context.stdout.json(streams);
    return;
  }
  const [heading = "", ...rows] = formatTable(columns, streams);
  context.stdout.line(heading, hasColor(invocation, context.stdout) ? "bold" : "plain");
  for (const row of rows) context.stdout.line(row);
  for (const stream of streams) {
    if (stream.error !== null) say(invocation, `${titleOf(stream)}: ${stream.error}`);
    const stalled = formatStall(stream);
    if (stalled !== undefined) say(invocation, stalled);
  }
}

/** What matters most: a log that is `ready` and cannot be written is no use. */
function stateOf({ state, stalled, dropping }: StreamStatus): string {
  if (stalled === null) return state;
  return dropping === null ? "stalled" : "dropping";
}
