// SPDX-License-Identifier: Apache-2.0
// Files in which our processes keep what the next one has to know. What is found under such a name may
// be anything: a FIFO would block an open, a device has effects, a link leads elsewhere. One that is
// not ours, or that cannot be understood, is set aside under another name, and the daemon goes on.

import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  type Stats,
} from "node:fs";
import { reasonOf } from "./retry.ts";

/** The file is not one that we have written; a sentence. */
export class StateFileError extends Error {
  /** As of a call that the kernel refuses, for callers that distinguish those only. */
  readonly code = "EPERM";
  readonly syscall = "open";
  readonly path: string;

  constructor(path: string, flaw: string) {
    super(`${path} ${flaw}`);
    this.name = "StateFileError";
    this.path = path;
  }
}

/** A file that is set aside, and why. */
export interface SetAside {
  /** Where it is now. */
  readonly path: string;
  readonly reason: string;
}

/** Neither waits nor follows a link. */
const flags: number =
  constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** More than any of them has, but for the content of an embedded xenstore. */
const bytesMaxDefault = 4 << 20;
const asideSuffix = ".damaged";

/** The text of the file; `undefined` if there is none. Throws StateFileError, or what open(2) says. */
export function readStateFile(
  path: string,
  bytesMax: number = bytesMaxDefault,
): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, flags);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    if (code === "ELOOP") throw new StateFileError(path, "is a symbolic link");
    throw error;
  }
  try {
    const { size } = requireOurs(fd, path);
    if (size > bytesMax) {
      throw new StateFileError(path, `has ${size} bytes; at most ${bytesMax} are read`);
    }
    return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
}

/** Throws StateFileError if an open file is not a regular one of this user. */
export function requireOurs(fd: number, path: string): Stats {
  const stat = fstatSync(fd);
  const flaw = flawOf(stat);
  if (flaw !== undefined) throw new StateFileError(path, flaw);
  return stat;
}

/** Why this cannot be a file that we have written. */
export function flawOf(stat: Stats): string | undefined {
  if (stat.isSymbolicLink()) return "is a symbolic link";
  if (!stat.isFile()) return "is not a regular file";
  const user = process.geteuid?.();
  if (stat.uid !== user) return `belongs to user ${stat.uid}, not to ${user}`;
  return undefined;
}

/**
 * What `parse` makes of the file; `undefined` if there is none. One that cannot be read or parsed is set
 * aside, and reported.
 */
export function loadState<T>(
  path: string,
  parse: (text: string) => T,
  onSetAside: (file: SetAside) => void,
): T | undefined {
  try {
    const text = readStateFile(path);
    return text === undefined ? undefined : parse(text);
  } catch (error) {
    onSetAside(setAside(path, reasonOf(error)));
    return undefined;
  }
}

/** Gives the file another name, that of the one which was set aside before. */
export function setAside(path: string, reason: string): SetAside {
  const aside = `${path}${asideSuffix}`;
  try {
    renameSync(path, aside);
    return { path: aside, reason };
  } catch (error) {
    return { path, reason: `${reason}; it cannot be set aside: ${reasonOf(error)}` };
  }
}
