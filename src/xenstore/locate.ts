// SPDX-License-Identifier: Apache-2.0
// Finds the host's xenstored in libxenstore's order (tools/libs/store/xs.c, xs_open): the socket,
// or if connecting fails, the kernel's device.

import { existsSync, statSync } from "node:fs";
import { reasonOf } from "../program/portable/index.ts";
import { deviceTransport } from "./device.ts";
import { socketTransport } from "./socket.ts";
import type { OpenTransport } from "./transport.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The sockets that distributions use: upstream's default, and Debian's. */
const usualSockets = ["/run/xenstored/socket", "/var/run/xenstored/socket"] as const;

/** The device of current kernels, and its name in xenfs. */
const usualDevices = ["/dev/xen/xenbus", "/proc/xen/xenbus"] as const;

/**
 * findXenstoreSocket(environment) is `XENSTORED_PATH`, else `XENSTORED_RUNDIR`/socket, else the
 * first usual place that exists, else the first usual place. An empty variable counts as unset.
 */
export function findXenstoreSocket(environment: Environment): string {
  const [named] = namedPlaces(environment);
  return named ?? usualSockets.find((socket) => existsSync(socket)) ?? usualSockets[0];
}

/** xenstorePlaces(environment) lists what libxenstore tries: `XENSTORED_PATH` alone where it is
 * set, else the sockets and then the devices. */
export function xenstorePlaces(environment: Environment): readonly string[] {
  const { XENSTORED_PATH: path } = environment;
  const named = namedPlaces(environment);
  if (path !== undefined && path !== "") return named;
  return [...(named.length > 0 ? named : usualSockets), ...usualDevices];
}

function namedPlaces(environment: Environment): readonly string[] {
  const { XENSTORED_PATH: path, XENSTORED_RUNDIR: directory } = environment;
  if (path !== undefined && path !== "") return [path];
  return directory === undefined || directory === "" ? [] : [`${directory}/socket`];
}

/** The paths to a server. The first that accepts a connection is the only one from then on. */
export interface XenstorePlace {
  readonly open: OpenTransport;
  /** The path of the connection; before the first connection, the first path. */
  path(): string;
  /** For messages: that path, or all paths that were tried. */
  describe(): string;
}

/**
 * placeOf(paths) tries them in order. A full listen backlog means that there is a server: no
 * further path is tried. If all fail, the error has all reasons and the code of the first.
 */
export function placeOf(
  paths: readonly string[],
  openPath: (path: string) => OpenTransport = transportTo,
): XenstorePlace {
  let candidates = paths;
  const open: OpenTransport = async (handlers) => {
    const errors: unknown[] = [];
    for (const path of candidates) {
      try {
        const transport = await openPath(path)(handlers);
        candidates = [path];
        return transport;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EAGAIN") throw error;
        errors.push(error);
      }
    }
    throw errors.length === 1 ? errors[0] : allOf(errors);
  };
  return { open, path: () => candidates[0] ?? "", describe: () => candidates.join(", ") };
}

function allOf(errors: readonly unknown[]): Error {
  const reasons = errors.map(reasonOf);
  const { code } = errors[0] as NodeJS.ErrnoException;
  return Object.assign(new AggregateError(errors, reasons.join("; ")), { code });
}

/**
 * As in libxenstore, an existing path that is no socket is the device; in xenfs it is a plain file.
 */
function transportTo(path: string): OpenTransport {
  return async (handlers) => {
    const found = statSync(path);
    const isDevice = found.isCharacterDevice() || found.isFile();
    return (isDevice ? deviceTransport(path) : socketTransport(path))(handlers);
  };
}
