// SPDX-License-Identifier: Apache-2.0
// Where a daemon and its clients find their files. Makes no file and no directory.

import { realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { ContractError, parsePath, quote } from "../contract/index.ts";
import { describeErrno, errnoNameOf } from "../kernel/index.ts";
import { safeText } from "../program/index.ts";
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
  /** The directory of a log for which no path is given. */
  readonly ownLogDirectory: string;
  readonly fifoDirectory: string;
  readonly controlSocket: string;
  readonly pidFile: string;
  /** The socket of an embedded store; on a host the most likely one. */
  readonly xenstoreSocket: string;
  /** Where to look for xenstored, in this order; a driver domain has only the kernel's device. */
  readonly xenstorePaths: readonly string[];
  /** Stream table, owner notes and locks: survives the daemon, need not survive the host. */
  readonly volatileDirectory: string;
  readonly stateDirectory: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** sun_path of unix(7) has 108 bytes, the last of which is a NUL. */
const socketPathBytesMax = 107;

/** All places below one directory. `directory` may be relative and need not exist yet. */
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
  requirePathName("the directory", root);
  return places;
}

/** D of `run` and of `xenlogd --embedded` without `--dir`. */
export function defaultDirectory(environment: Environment, homeDirectory: string): string {
  const { XDG_STATE_HOME: state = "" } = environment;
  // The XDG base directory specification says that a relative one is to be ignored.
  const base = state.startsWith("/") ? state : join(homeDirectory, ".local", "state");
  return join(base, "xenlogd");
}

/** The places of a Xen host. They follow XEN_RUN_DIR, XEN_LOG_DIR and xenstore's variables. */
export function hostPlaces(environment: Environment): Places {
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
  requirePathName("XEN_RUN_DIR", runDirectory);
  requirePathName("XEN_LOG_DIR", logDirectory);
  checkSocketPath(runDirectory, places.controlSocket);
  return places;
}

function absolute(environment: Environment, variable: string, otherwise: string): string {
  const value = environment[variable];
  return value === undefined || value === "" ? otherwise : resolve(value);
}

/** realpath(3) of a path whose last components need not exist yet. */
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

/**
 * Paths below the directory go into xenstore and onto terminals: one that the contract refuses, or
 * that is printed with escapes, would fail each request, or each script that reads the path. Throws
 * PlacesError `directoryName`.
 */
export function requirePathName(what: string, path: string): void {
  try {
    if (path !== "/") parsePath(path, what);
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    throw new PlacesError("directoryName", error.message, error);
  }
  // What is not valid UTF-8 has come to us as U+FFFD, and would name another directory.
  if (safeText(path) === path && !path.includes("\u{fffd}")) return;
  throw new PlacesError(
    "directoryName",
    `${what} is ${quote(path)}; it must be valid UTF-8 without invisible characters`,
  );
}

function checkSocketPath(directory: string, socketPath: string): void {
  const bytes = Buffer.byteLength(socketPath);
  if (bytes <= socketPathBytesMax) return;
  throw new PlacesError(
    "directoryTooLong",
    `the directory ${directory} is too long: the socket path below it would have ${bytes} bytes, and ${socketPathBytesMax} is the most a socket address can hold`,
  );
}
