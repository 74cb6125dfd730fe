// SPDX-License-Identifier: Apache-2.0
// The daemon's directories, made or checked before anything else starts. Takes back what it made
// when the start fails.

import { accessSync, constants, mkdirSync, rmdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { describeErrno, errnoNameOf } from "../kernel/index.ts";
import type { Places } from "../places/index.ts";
import { DaemonError } from "./errors/index.ts";

/** FIFOs and the daemon's own files are for its user only. */
const privateMode = 0o700;
const logMode = 0o750;

/** Makes what is missing and returns the directories made, the outermost first. */
export function makeDirectories(places: Places): readonly string[] {
  const made: string[] = [];
  try {
    // XEN_LOG_DIR belongs to the administrator: a typing error must not make a new directory.
    if (places.mode === "host") checkDirectory("log directory", places.logDirectory);
    make(made, "log directory", places.ownLogDirectory, logMode);
    checkWritable("log directory", places.ownLogDirectory);
    const own = [places.fifoDirectory, places.volatileDirectory];
    // A host's state directory is made by the package; the daemon does not need it yet.
    if (places.mode === "embedded") own.push(places.stateDirectory);
    for (const path of own) {
      make(made, "directory", path, privateMode);
      checkWritable("directory", path);
    }
    return made;
  } catch (error) {
    removeDirectories(made);
    throw error;
  }
}

/** Removes those of the directories that are empty. */
export function removeDirectories(made: readonly string[]): void {
  for (const path of [...made].reverse()) {
    try {
      rmdirSync(path);
    } catch {
      // It is not empty, so it is in use.
    }
  }
}

function make(made: string[], what: string, path: string, mode: number): void {
  try {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) {
      make(made, what, dirname(path), mode);
      mkdirSync(path, { mode });
      made.push(path);
    }
  } catch (error) {
    if (error instanceof DaemonError || errnoNameOf(error) === "EEXIST") throw error;
    throw unusable(what, path, "made", error);
  }
  checkDirectory(what, path);
}

function checkDirectory(what: string, path: string): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw new DaemonError("directory", `the ${what} ${path} does not exist`);
  }
  if (!stat.isDirectory()) {
    throw new DaemonError("directory", `the ${what} ${path} is not a directory`);
  }
}

function checkWritable(what: string, path: string): void {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw unusable(what, path, "written", error);
  }
}

function unusable(what: string, path: string, verb: string, error: unknown): DaemonError {
  const reason = describeErrno(errnoNameOf(error) ?? "EIO");
  return new DaemonError("directory", `the ${what} ${path} cannot be ${verb}: ${reason}`, error);
}
