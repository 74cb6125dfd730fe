// SPDX-License-Identifier: Apache-2.0
// `xenlog close DOMAIN [LOG|ID]`: removes a log's nodes, without LOG those of all the domain's
// logs. The daemon drains and closes when the last writer is gone too; this does not wait for it.

import { Command } from "commander";
import {
  type LogfileKey,
  type LogOwner,
  parseDomid,
  parseLogfileId,
} from "../../contract/index.ts";
import type { StreamStatus } from "../../control/index.ts";
import type { Places } from "../../places/index.ts";
import { closeLogfile, releaseDomain } from "../../toolstack/index.ts";
import { connectXenstore, type XenstoreClient } from "../../xenstore/index.ts";
import {
  CliError,
  domainHelp,
  exitCode,
  exitCodesHelp,
  helpAfter,
  type Invocation,
  type Invoke,
} from "../invocation/index.ts";
import { isOfDomain, isOfLog, parseDomainArgument, titleOf } from "../logs/index.ts";
import { findDaemon } from "../target/index.ts";
import { note } from "../terminal/index.ts";

const examples = ["close vm1", "close 5 qemu", "close host xenstored"];

export function closeCommand(invoke: Invoke): Command {
  const command = new Command("close")
    .description("end a log, or all logs of a domain")
    .argument("<DOMAIN>", "a name, a domid or host")
    .argument("[LOG|ID]", "the log's name or number")
    .addHelpText("after", helpAfter(examples, domainHelp, exitCodesHelp));
  return command.action((domain: string, log: string | undefined) =>
    invoke(command, (invocation) => close(invocation, domain, log)),
  );
}

async function close(
  invocation: Invocation,
  domainText: string,
  log: string | undefined,
): Promise<number> {
  const domain = parseDomainArgument(domainText);
  const { places, daemon } = await findDaemon(invocation);
  const ofDomain = (await daemon.streams({ all: false })).filter(
    (stream) => isOfDomain(stream, domain) && isOpen(stream),
  );
  const chosen = log === undefined ? ofDomain : ofDomain.filter((stream) => isOfLog(stream, log));
  if (chosen.length === 0) {
    const what = log === undefined ? "" : ` ${log}`;
    throw new CliError("notFound", `there is no log${what} of ${domainText}`);
  }
  await using xenstore = await connectXenstore({ socketPath: places.xenstorePaths });
  for (const stream of chosen) {
    await closeLogfile({ xenstore, key: keyOf(stream) });
    note(invocation, `${titleOf(stream)} is being closed`);
  }
  if (chosen.length === ofDomain.length) await releaseOwners(xenstore, places, chosen);
  return exitCode.ok;
}

/** The nodes of a stream that is `closing` are removed already. */
function isOpen(stream: StreamStatus): boolean {
  return stream.state !== "closing" && stream.state !== "closed";
}

function keyOf(stream: StreamStatus): LogfileKey {
  const owner: LogOwner =
    stream.domid === null
      ? { kind: "host" }
      : { kind: "domain", domid: parseDomid(String(stream.domid), "domid") };
  return { owner, id: parseLogfileId(String(stream.id), "id") };
}

/** In an embedded store every domain was introduced for its logs, and is released after the last. */
async function releaseOwners(
  xenstore: XenstoreClient,
  places: Places,
  streams: readonly StreamStatus[],
): Promise<void> {
  if (places.mode === "host") return;
  for (const domid of new Set(streams.map((stream) => stream.domid))) {
    if (domid === null || domid === 0) continue;
    await releaseDomain(xenstore, parseDomid(String(domid), "domid"));
  }
}
