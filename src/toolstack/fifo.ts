// SPDX-License-Identifier: Apache-2.0
// A log's FIFO: mode 0600 under any umask, under a name that is never used again. It needs no
// xenstore, so that a program that starts before xenstored can write at once.

import { randomBytes } from "node:crypto";
import { chmodSync, closeSync, constants, fstatSync, lstatSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describeErrno, errnoNameOf, makeFifo, openPath } from "../kernel/index.ts";
import {
  makeDirectory,
  NotDirectoryError,
  removeDirectories,
  unknownOption,
} from "../program/portable/index.ts";
import { ToolstackError } from "./errors.ts";

/** `rdwr`: a dead daemon blocks the writer. `wronly`: it gets SIGPIPE and EPIPE instead. */
export type FifoAccess = "rdwr" | "wronly";

export interface LogFifo {
  readonly path: string;
  /** A new descriptor of its own open file description; the caller closes it. */
  open(access?: FifoAccess): number;
  /**
   * Unlinks the FIFO if the path still names it, and removes the directories that were made for it if
   * they are empty. For a FIFO that no request in xenstore names.
   */
  discard(): void;
}

export interface CreateFifoOptions {
  /** Absolute, below XEN_RUN_DIR; made with mode 0700 if it is missing. */
  readonly directory: string;
  /** The beginning of the name, for people who list the directory. */
  readonly label?: string;
}

const modeMask = 0o7777;
const fifoMode = 0o600;
// With these two and the random part a name stays below NAME_MAX (255).
const labelCharactersMax = 64;
const randomBytesInName = 8;
/** Between a directory and its FIFO another process may remove the directory; not for ever. */
const triesMax = 10;

/** Makes the FIFO; throws ToolstackError `fifo` or `option`. */
export function createFifo(options: CreateFifoOptions): LogFifo {
  const unknown = unknownOption(options, { directory: true, label: true });
  if (unknown !== undefined) throw new ToolstackError("option", unknown);
  // A domain's name may have any character; only letters, digits, _ and - are kept.
  const label = (options.label ?? "log")
    .replace(/[^A-Za-z0-9_-]+/g, "_")
    .slice(0, labelCharactersMax);
  const random = randomBytes(randomBytesInName).toString("hex");
  const path = join(options.directory, `${label}-${random}.fifo`);
  const made: string[] = [];
  const inode = attempt("make", path, () => makeInDirectory(path, options.directory, made));
  return {
    path,
    open: (access = "rdwr") => openFifo(path, access),
    discard: () => {
      unlinkIfSame(path, inode);
      removeDirectories(made);
    },
  };
}

/** Returns the FIFO's inode. Adds the directories that were made to `made`; none is left if it fails. */
function makeInDirectory(path: string, directory: string, made: string[]): bigint {
  for (let tries = 1; ; tries += 1) {
    try {
      makeDirectory(directory, 0o700, made);
      makeFifo(path, fifoMode);
      return fixMode(path);
    } catch (error) {
      // Another process has discarded its FIFO, and the empty directory with it.
      if (errnoNameOf(error) === "ENOENT" && tries < triesMax) continue;
      removeDirectories(made);
      throw error;
    }
  }
}

/**
 * Opens a FIFO for writing without waiting for a reader; throws ToolstackError `fifo`. A missing
 * path is an error, never a new file.
 */
export function openFifo(path: string, access: FifoAccess = "rdwr"): number {
  return attempt("open", path, () => {
    const both = openPath(path, constants.O_RDWR | constants.O_NOFOLLOW);
    try {
      if (!fstatSync(both).isFIFO()) throw new ToolstackError("fifo", `${path} is not a FIFO`);
      if (access === "rdwr") return both;
      // open(O_WRONLY) waits for a reader: until it returns, `both` is that reader.
      const writeOnly = openPath(path, constants.O_WRONLY | constants.O_NOFOLLOW);
      closeSync(both);
      return writeOnly;
    } catch (error) {
      closeSync(both);
      throw error;
    }
  });
}

function fixMode(path: string): bigint {
  // The umask only removes bits, so other users never had access to the FIFO.
  if ((lstatSync(path).mode & modeMask) !== fifoMode) chmodSync(path, fifoMode);
  return lstatSync(path, { bigint: true }).ino;
}

function unlinkIfSame(path: string, inode: bigint): void {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  // Inode numbers are reused, so the number alone does not prove that it is the same file.
  if (found?.isFIFO() && found.ino === inode) rmSync(path, { force: true });
}

function attempt<T>(verb: string, path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof ToolstackError) throw error;
    const isSentence = error instanceof NotDirectoryError;
    const reason = isSentence ? error.message : describeErrno(errnoNameOf(error) ?? "EIO");
    throw new ToolstackError("fifo", `cannot ${verb} ${path}: ${reason}`, { cause: error });
  }
}
