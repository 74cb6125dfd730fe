// SPDX-License-Identifier: Apache-2.0
// Where a daemon and everybody who talks to it find their files. Looks, and makes nothing.

import { realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { describeErrno, errnoNameOf } from "../kernel/index.ts";
import { findXenstoreSocket, xenstorePlaces } from "../xenstore/index.ts";
import { PlacesError } from "./errors.ts";

export interface Places {
  readonly mode: "embedded" | "host";
  /** D of an embedded daemon, resolved. */
  readonly directory: string | undefined;
  /** XEN_RUN_DIR: every FIFO is below it. */
  readonly runDirectory: string;
  /** XEN_LOG_DIR: every log is below it. */
  readonly logDirectory: string;
  /** Where a log goes that was asked for by domain and log name only. */
  readonly ownLogDirectory: string;
  readonly fifoDirectory: string;
  readonly controlSocket: string;
  readonly pidFile: string;
  /** An embedded store's, and what a host's is most likely to have. */
  readonly xenstoreSocket: string;
  /** Where xenstored is looked for, in this order: a driver domain has only the kernel's device. */
  readonly xenstorePaths: readonly string[];
  /** Stream table, owner notes and locks: has to survive the daemon, not the host. */
  readonly volatileDirectory: string;
  readonly stateDirectory: string;
}

/** sun_path of unix(7) has 108 bytes, the last of which is a NUL. */
const socketPathBytesMax = 107;

/** Everything below one directory; `directory` may be relative and need not exist yet. */
export function embeddedPlaces(directory: string): Places {
  const root = realpathOf(resolve(directory));
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory() === false) {
    throw new PlacesError("notADirectory", `${root} is not a directory`);
  }
  const run = join(root, "run");
  const places: Places = {
    mode: "embedded",
    directory: root,
    runDirectory: run,
    logDirectory: join(root, "log"),
    ownLogDirectory: join(root, "log"),
    fifoDirectory: join(run, "fifo"),
    controlSocket: join(run, "control.sock"),
    pidFile: join(run, "xenlogd.pid"),
    xenstoreSocket: join(run, "xenstored.sock"),
    xenstorePaths: [join(run, "xenstored.sock")],
    volatileDirectory: join(root, "state", "table"),
    stateDirectory: join(root, "state"),
  };
  checkSocketPath(root, places.xenstoreSocket);
  return places;
}

/** The places of a Xen host, moved by XEN_RUN_DIR, XEN_LOG_DIR and xenstore's variables. */
export function hostPlaces(environment: Readonly<Record<string, string | undefined>>): Places {
  const runDirectory = absolute(environment, "XEN_RUN_DIR", "/run/xen");
  const logDirectory = absolute(environment, "XEN_LOG_DIR", "/var/log/xen");
  const own = join(runDirectory, "xenlogd");
  const places: Places = {
    mode: "host",
    directory: undefined,
    runDirectory,
    logDirectory,
    // A directory of its own: libxl renames qemu-dm-*.log*, logrotate rules match xen/*.log.
    ownLogDirectory: join(logDirectory, "xenlogd"),
    fifoDirectory: join(own, "fifo"),
    controlSocket: join(own, "control.sock"),
    pidFile: join(own, "xenlogd.pid"),
    xenstoreSocket: findXenstoreSocket(environment),
    xenstorePaths: xenstorePlaces(environment),
    volatileDirectory: join(own, "table"),
    stateDirectory: "/var/lib/xenlogd",
  };
  checkSocketPath(runDirectory, places.controlSocket);
  return places;
}

function absolute(
  environment: Readonly<Record<string, string | undefined>>,
  variable: string,
  otherwise: string,
): string {
  const value = environment[variable];
  return value === undefined || value === "" ? otherwise : resolve(value);
}

/** realpath(3) that lets the last names be missing: they will be made there. */
function realpathOf(path: string): string {
  try {
    return realpathSync.native(path);
  } catch (error) {
    const errno = errnoNameOf(error);
    if (errno === "ENOENT" && dirname(path) !== path) {
      return join(realpathOf(dirname(path)), basename(path));
    }
    if (errno === "ENOTDIR") {
      throw new PlacesError("notADirectory", `${dirname(path)} is not a directory`, error);
    }
    const reason = describeErrno(errno ?? "EIO");
    throw new PlacesError("directoryUnusable", `${path} cannot be used: ${reason}`, error);
  }
}

function checkSocketPath(directory: string, socketPath: string): void {
  const bytes = Buffer.byteLength(socketPath);
  if (bytes <= socketPathBytesMax) return;
  throw new PlacesError(
    "directoryTooLong",
    `the directory ${directory} is too long: the socket path below it would have ${bytes} bytes, and ${socketPathBytesMax} is the most a socket address can hold`,
  );
}
