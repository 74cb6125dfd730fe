// SPDX-License-Identifier: Apache-2.0
// The daemon's own files as a whole: at its start what is none of them is set aside, at its stop those
// that no next start needs are removed. Only under the instance lock.

import { existsSync, lstatSync, readdirSync, rmSync, statSync } from "node:fs";
import type { EmitEvent } from "../observe/index.ts";
import type { Places } from "../places/index.ts";
import {
  flawOf,
  removeFreeLock,
  setAside,
  takeLockIfFree,
  temporarySuffix,
} from "../program/index.ts";
import { areSettled } from "../pump/index.ts";
import { notesFile, poolOfFile, pumpLockFile } from "./pumps/index.ts";
import type { StreamTable } from "./streams/index.ts";

/**
 * Sets aside FIFOs, devices, links and files of other users. Programs that open such a file refuse it;
 * here it gives up the name, so that they can have a new one.
 */
export function setAsideOthers(places: Places, table: StreamTable, emit: EmitEvent): void {
  for (const directory of directoriesOf(places, table)) {
    for (const name of namesIn(directory)) {
      const path = `${directory}/${name}`;
      const stat = lstatSync(path, { throwIfNoEntry: false });
      const flaw = stat === undefined || stat.isDirectory() ? undefined : flawOf(stat);
      if (flaw !== undefined) emit({ kind: "StateSetAside", ...setAside(path, `it ${flaw}`) });
    }
  }
}

/** When all processes of the daemon have ended. */
export function removeNeedless(places: Places, table: StreamTable): void {
  for (const directory of directoriesOf(places, table)) {
    for (const name of namesIn(directory)) {
      // A process was killed while it replaced a file.
      if (name.endsWith(temporarySuffix)) attempt(() => rmSync(`${directory}/${name}`));
    }
  }
  attempt(() => table.removeOrphans());
  const { volatileDirectory, stateDirectory } = places;
  for (const pool of new Set(namesIn(volatileDirectory).map(poolOfFile))) {
    if (pool !== undefined) attempt(() => removePool(volatileDirectory, pool));
  }
  if (places.mode === "host") return;
  for (const name of namesIn(stateDirectory)) {
    const path = `${stateDirectory}/${name}`;
    if (name.endsWith(".lock")) attempt(() => removeFreeLock(path));
    if (name.endsWith(".out")) attempt(() => removeIfEmpty(path));
  }
}

/** Notes that say what was in lost stages are of use when the disk of their logs is back. */
function removePool(volatileDirectory: string, pool: string): void {
  const notes = notesFile(volatileDirectory, pool);
  using lock = takeLockIfFree(pumpLockFile(volatileDirectory, pool), "exclusive");
  if (lock === undefined || (existsSync(notes) && !areSettled(notes))) return;
  rmSync(notes, { force: true });
  lock.removeFile();
}

/** What a program has said stays. */
function removeIfEmpty(path: string): void {
  if (statSync(path).size === 0) rmSync(path);
}

/** On a host there are no files of ours in the state directory. */
function directoriesOf(places: Places, table: StreamTable): readonly string[] {
  const own = [places.volatileDirectory, ...table.directories];
  return places.mode === "host" ? own : [...own, places.stateDirectory];
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** What cannot be removed stays, such as a directory in the place of a file: a stop must not fail. */
function attempt(remove: () => void): void {
  try {
    remove();
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
  }
}
