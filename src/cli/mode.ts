// SPDX-License-Identifier: Apache-2.0
// Which daemon is meant: the host's, or one embedded in a directory. On a host that runs Xen
// nothing embedded is ever chosen silently.

import { connect } from "node:net";
import { join } from "node:path";
import {
  type ControlClient,
  ControlError,
  controlClient,
  embeddedPlaces,
  hostPlaces,
  type Places,
} from "../control/index.ts";
import { errnoNameOf } from "../kernel/index.ts";
import { CliError } from "./errors.ts";
import type { Invocation } from "./globals.ts";

/** A socket that takes longer to accept has nobody behind it. */
const probeMsMax = 2000;

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
  if (await socketAnswers(host.xenstoreSocket)) throw noService(host);
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
  if (await socketAnswers(places.xenstoreSocket)) throw noService(places);
  const directory = defaultDirectory(invocation);
  throw new CliError(
    "unreachable",
    `neither xenlogd nor xenstored answers on this host: name an embedded daemon with --dir, such as --dir ${directory}`,
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

/** Whether somebody accepts connections there; a socket that is not for us counts as answering. */
export function socketAnswers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path: socketPath });
    const settle = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(probeMsMax, () => settle(false));
    socket.once("connect", () => settle(true));
    socket.once("error", (error) => {
      const errno = errnoNameOf(error);
      // EAGAIN is a full listen backlog, which is 1 in Xen's own servers.
      settle(errno === "EACCES" || errno === "EPERM" || errno === "EAGAIN");
    });
  });
}

function noEmbedded(places: Places): CliError {
  return new CliError(
    "unreachable",
    `no xenlogd answers in ${places.directory}: start one with xenlogd --embedded --dir ${places.directory}`,
  );
}

function noService(places: Places): CliError {
  return new CliError(
    "unreachable",
    `xenstored answers at ${places.xenstoreSocket} and no xenlogd at ${places.controlSocket}: start the service xenlogd, or use --dir for an embedded one`,
  );
}
