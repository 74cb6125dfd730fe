// SPDX-License-Identifier: Apache-2.0
// Makes a directory and those above it. mkdirSync(recursive) of Node.js never returns where mkdir(2)
// says ENOENT although the parent is there, as below /proc. Looks before it makes: mkdir(2) waits for a
// disk that hangs, also where the directory is there already.

import { lstatSync, mkdirSync, readlinkSync, rmdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** Something else has the name of a directory; a sentence. */
export class NotDirectoryError extends Error {
  readonly code = "ENOTDIR";
  readonly syscall = "mkdir";
  readonly path: string;

  constructor(path: string, cause: unknown) {
    super(`${path} ${whatIsAt(path)}`, { cause });
    this.name = "NotDirectoryError";
    this.path = path;
  }
}

/**
 * Returns if the directory is there already. The paths that were made are added to `made`, the
 * outermost first, also when it throws: NotDirectoryError, or the file system's error with its `path`.
 */
export function makeDirectory(path: string, mode: number, made: string[] = []): void {
  const error = tryMake(path, mode, made);
  if (error === undefined) return;
  const parent = dirname(path);
  if (error.code !== "ENOENT" || parent === path) throw error;
  if (isDirectory(parent)) throw unsupported(path, error);
  makeDirectory(parent, mode, made);
  const second = tryMake(path, mode, made);
  if (second !== undefined) throw second;
}

/** Removes those of the directories that makeDirectory() has added to `made` and that are empty. */
export function removeDirectories(made: readonly string[]): void {
  for (const path of [...made].reverse()) {
    try {
      rmdirSync(path);
    } catch {
      // It is not empty, so it is in use.
    }
  }
}

function tryMake(path: string, mode: number, made: string[]): NodeJS.ErrnoException | undefined {
  if (isDirectory(path)) return undefined;
  try {
    mkdirSync(path, { mode });
    made.push(path);
    return undefined;
  } catch (error) {
    if (isDirectory(path)) return undefined;
    const refusal = error as NodeJS.ErrnoException;
    return refusal.code === "EEXIST" ? new NotDirectoryError(path, error) : refusal;
  }
}

function whatIsAt(path: string): string {
  try {
    if (!lstatSync(path).isSymbolicLink()) return "is not a directory";
    return `is a link to ${readlinkSync(path)}, which is not there`;
  } catch {
    return "is not a directory";
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** ENOENT would read as if the parent were missing. */
function unsupported(path: string, cause: NodeJS.ErrnoException): NodeJS.ErrnoException {
  const error = new Error(`mkdir ${path}: its file system takes no directories`, { cause });
  return Object.assign(error, { code: "EOPNOTSUPP", syscall: "mkdir", path });
}
