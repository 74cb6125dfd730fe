// SPDX-License-Identifier: Apache-2.0
// Finds the daemon that a command is for: the host's, or one embedded in a directory. On a host that
// runs Xen an embedded daemon is used only when the command line asks for it.

import { type ControlClient, ControlError, controlClient } from "../../control/index.ts";
import { defaultDirectory, embeddedPlaces, hostPlaces, type Places } from "../../places/index.ts";
import { CliError, type Invocation } from "../invocation/index.ts";
import { type FoundXenstored, findXenstored } from "./find-xenstored.ts";

/** A daemon that answers, or is to answer, and where its files are. */
export interface DaemonAt {
  readonly places: Places;
  readonly daemon: ControlClient;
}

/** The places for `run`, which starts an embedded daemon where neither xenlogd nor xenstored answers. */
export async function placesOfRun(invocation: Invocation): Promise<Places> {
  const places = placesAskedFor(invocation);
  if (places !== undefined) return places;
  const host = hostPlaces(invocation.context.environment);
  if (await hasDaemon(host)) return host;
  const xenstored = await findXenstored(host.xenstorePaths);
  if (xenstored !== undefined) throw noService(host, xenstored);
  return embeddedPlaces(defaultDirectoryOf(invocation));
}

/** The daemon for every other command. It has just answered. */
export async function findDaemon(invocation: Invocation, patienceMs?: number): Promise<DaemonAt> {
  const places = placesAskedFor(invocation) ?? hostPlaces(invocation.context.environment);
  if (await hasDaemon(places, patienceMs)) {
    return { places, daemon: controlClient(places.controlSocket) };
  }
  if (places.mode === "embedded") throw noEmbedded(places);
  const xenstored = await findXenstored(places.xenstorePaths);
  if (xenstored !== undefined) throw noService(places, xenstored);
  const directory = defaultDirectoryOf(invocation);
  const looked = [places.controlSocket, ...places.xenstorePaths].join(", ");
  throw new CliError(
    "unreachable",
    `neither xenlogd nor xenstored answers on this host (looked at ${looked}): name an embedded daemon with --dir, such as --dir ${directory}`,
  );
}

function placesAskedFor(invocation: Invocation): Places | undefined {
  const { directory, embedded } = invocation.globals;
  if (directory !== undefined) return embeddedPlaces(directory);
  return embedded ? embeddedPlaces(defaultDirectoryOf(invocation)) : undefined;
}

/** False if no daemon accepts connections; throws if one does and gives no answer. */
export async function hasDaemon(places: Places, patienceMs?: number): Promise<boolean> {
  try {
    await controlClient(places.controlSocket, patienceMs).status();
    return true;
  } catch (error) {
    if (error instanceof ControlError && error.code === "unreachable") return false;
    throw error;
  }
}

function defaultDirectoryOf({ context }: Invocation): string {
  return defaultDirectory(context.environment, context.homeDirectory);
}

function noEmbedded(places: Places): CliError {
  return new CliError(
    "unreachable",
    `no xenlogd answers in ${places.directory}: start one with xenlogd --embedded --dir ${places.directory}`,
  );
}

function noService(places: Places, { path, kind }: FoundXenstored): CliError {
  if (kind === "forbidden") {
    return new CliError(
      "unreachable",
      `xenstored at ${path} cannot be asked: permission denied; run xenlog as root, or use --dir for an embedded one`,
    );
  }
  return new CliError(
    "unreachable",
    `xenstored answers at ${path} and no xenlogd at ${places.controlSocket}: start the service xenlogd, or use --dir for an embedded one`,
  );
}
