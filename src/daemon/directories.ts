// SPDX-License-Identifier: Apache-2.0
// The daemon's directories, made or checked before anything else starts. Takes back what it made
// when the start fails.

import { accessSync, constants, type Stats, statSync } from "node:fs";
import { describeErrno, errnoNameOf } from "../kernel/index.ts";
import type { Places } from "../places/index.ts";
import { makeDirectory, NotDirectoryError, removeDirectories } from "../program/index.ts";
import { DaemonError } from "./errors/index.ts";

/** FIFOs and the daemon's own files are for its user only. */
const privateMode = 0o700;
const logMode = 0o750;

/** Makes what is missing and returns the directories made, the outermost first. */
export function makeDirectories(places: Places): readonly string[] {
  const made: string[] = [];
  const check = (what: string, path: string): void => checkDirectory(places, what, path);
  const make = (what: string, path: string, mode: number): void => {
    try {
      makeDirectory(path, mode, made);
    } catch (error) {
      throw unusable(places, what, path, "made", error);
    }
    check(what, path);
    checkWritable(places, what, path);
  };
  try {
    // XEN_LOG_DIR belongs to the administrator: a typing error must not make a new directory.
    if (places.mode === "host") check("log directory", places.logDirectory);
    make("log directory", places.ownLogDirectory, logMode);
    const own = [places.fifoDirectory, places.volatileDirectory];
    // A host's state directory is made by the package; the daemon does not need it yet.
    if (places.mode === "embedded") own.push(places.stateDirectory);
    for (const path of own) make("directory", path, privateMode);
    return made;
  } catch (error) {
    removeDirectories(made);
    throw error;
  }
}

function checkDirectory(places: Places, what: string, path: string): void {
  let stat: Stats | undefined;
  try {
    stat = statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw unusable(places, what, path, "read", error);
  }
  if (stat?.isDirectory()) return;
  const isWrong = stat === undefined ? "does not exist" : "is not a directory";
  const cure =
    places.mode === "embedded" ? elsewhere : "make it, or set XEN_LOG_DIR to one that is there";
  throw new DaemonError("directory", `the ${what} ${path} ${isWrong}; ${cure}`);
}

function checkWritable(places: Places, what: string, path: string): void {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    // What is there can be gone on with; new files are refused one by one.
    if (errnoNameOf(error) === "EROFS" && path !== places.ownLogDirectory) return;
    throw unusable(places, what, path, "written", error);
  }
}

const elsewhere = "choose another directory with --dir";

function unusable(
  places: Places,
  what: string,
  path: string,
  verb: "made" | "read" | "written",
  error: unknown,
): DaemonError {
  const errno = errnoNameOf(error) ?? "EIO";
  const subject = `the ${what} ${path}`;
  const sentence =
    error instanceof NotDirectoryError
      ? error.message.replace(path, () => subject)
      : `${subject} cannot be ${verb}: ${describeErrno(errno)}`;
  const isForbidden = errno === "EACCES" || errno === "EPERM";
  const ofHost = isForbidden ? "; run xenlogd as root, or give the directory to its user" : "";
  const cure = places.mode === "embedded" ? `; ${elsewhere}` : ofHost;
  return new DaemonError("directory", `${sentence}${cure}`, error);
}
