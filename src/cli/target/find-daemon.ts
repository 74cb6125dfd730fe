// SPDX-License-Identifier: Apache-2.0
// Which daemon is meant: the host's, or one embedded in a directory. On a host that runs Xen
// nothing embedded is ever chosen silently.

import { closeSync, constants, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { type ControlClient, ControlError, controlClient } from "../../control/index.ts";
import { errnoNameOf } from "../../kernel/index.ts";
import { embeddedPlaces, hostPlaces, type Places } from "../../places/index.ts";
import { probeSocket } from "../../program/index.ts";
import type { Invocation } from "../invocation/index.ts";
import { CliError } from "../invocation/index.ts";

/** D of `run` without `--dir`. */
function defaultDirectory({ context }: Invocation): string {
  const { XDG_STATE_HOME: state = "" } = context.environment;
  // A relative one is to be ignored, says the XDG base directory specification.
  const base = state.startsWith("/") ? state : join(context.homeDirectory, ".local", "state");
  return join(base, "xenlogd");
}

/** Where `run` goes: it starts an embedded daemon where nothing of Xen answers. */
export async function placesOfRun(invocation: Invocation): Promise<Places> {
  const asked = askedPlaces(invocation);
  if (asked !== undefined) return asked;
  const host = hostPlaces(invocation.context.environment);
  if (await hasDaemon(host)) return host;
  const xenstored = await findAnswering(host.xenstorePaths);
  if (xenstored !== undefined) throw noService(host, xenstored);
  return embeddedPlaces(defaultDirectory(invocation));
}

/** Where every other command goes, and its daemon, which has just answered. */
export async function findDaemon(
  invocation: Invocation,
  patienceMs?: number,
): Promise<{ readonly places: Places; readonly daemon: ControlClient }> {
  const places = askedPlaces(invocation) ?? hostPlaces(invocation.context.environment);
  if (await hasDaemon(places, patienceMs)) {
    return { places, daemon: controlClient(places.controlSocket) };
  }
  if (places.mode === "embedded") throw noEmbedded(places);
  const xenstored = await findAnswering(places.xenstorePaths);
  if (xenstored !== undefined) throw noService(places, xenstored);
  const directory = defaultDirectory(invocation);
  const looked = [places.controlSocket, ...places.xenstorePaths].join(", ");
  throw new CliError(
    "unreachable",
    `neither xenlogd nor xenstored answers on this host (looked at ${looked}): name an embedded daemon with --dir, such as --dir ${directory}`,
  );
}

function askedPlaces(invocation: Invocation): Places | undefined {
  const { directory, embedded } = invocation.globals;
  if (directory !== undefined) return embeddedPlaces(directory);
  return embedded ? embeddedPlaces(defaultDirectory(invocation)) : undefined;
}

/** False if nobody is there; a daemon that is there and cannot be asked is an error. */
export async function hasDaemon(places: Places, patienceMs?: number): Promise<boolean> {
  try {
    await controlClient(places.controlSocket, patienceMs).status();
    return true;
  } catch (error) {
    if (error instanceof ControlError && error.code === "unreachable") return false;
    throw error;
  }
}

/** The first of them behind which there is an xenstored. */
async function findAnswering(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) continue;
    if (found.isSocket() ? (await probeSocket(path)) === "answers" : deviceAnswers(path))
      return path;
  }
  return undefined;
}

/** The driver opens only where there is a store (xenbus_file_open); a device that is not for us
 * counts as answering. */
function deviceAnswers(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
    return true;
  } catch (error) {
    const errno = errnoNameOf(error);
    return errno === "EACCES" || errno === "EPERM";
  }
}

function noEmbedded(places: Places): CliError {
  return new CliError(
    "unreachable",
    `no xenlogd answers in ${places.directory}: start one with xenlogd --embedded --dir ${places.directory}`,
  );
}

function noService(places: Places, xenstored: string): CliError {
  return new CliError(
    "unreachable",
    `xenstored answers at ${xenstored} and no xenlogd at ${places.controlSocket}: start the service xenlogd, or use --dir for an embedded one`,
  );
}
