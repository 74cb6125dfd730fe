// SPDX-License-Identifier: Apache-2.0
// A stream's FIFO by its path. Only a FIFO that no other user may open is accepted, and its type is
// checked before it is opened for reading: opening a device can have effects.

import { type BigIntStats, closeSync, constants, fstatSync, type Stats, statSync } from "node:fs";
import {
  describeErrno,
  errnoNameOf,
  O_PATH,
  openBeneath,
  openPath,
  unlinkAt,
} from "../kernel/index.ts";

/** Why a FIFO was not accepted; a sentence. */
export class FifoError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "FifoError";
  }
}

/** All permission bits, set-user-ID and the like included. */
const modeMask = 0o7777;
/** No other user may read the log or write into it. */
const requiredMode = 0o600;

export class Fifo {
  #pathFd: number | undefined;
  readonly #identity: BigIntStats;
  readonly #path: string;
  readonly #location: { readonly root: string; readonly relativePath: string };

  private constructor(pathFd: number, root: string, relativePath: string) {
    this.#pathFd = pathFd;
    this.#identity = fstatSync(pathFd, { bigint: true });
    this.#path = `${root}/${relativePath}`;
    this.#location = { root, relativePath };
  }

  /** Throws FifoError with a sentence that names the path. */
  static find(root: string, relativePath: string): Fifo {
    const path = `${root}/${relativePath}`;
    let pathFd: number;
    try {
      const rootFd = openPath(root, O_PATH | constants.O_DIRECTORY);
      try {
        pathFd = openBeneath(rootFd, relativePath, O_PATH);
      } finally {
        closeSync(rootFd);
      }
    } catch (error) {
      throw unopened(path, error);
    }
    const flaw = flawOf(fstatSync(pathFd));
    if (flaw === undefined) return new Fifo(pathFd, root, relativePath);
    closeSync(pathFd);
    throw new FifoError(`pipe ${path} ${flaw}`);
  }

  /**
   * A new reading end, non-blocking. It sees a hang-up only of writers that come after this call. Before
   * `close`. Throws FifoError.
   */
  openForReading(): number {
    try {
      return openEndOf(this.#pathFd ?? -1);
    } catch (error) {
      throw unopened(this.#path, error);
    }
  }

  /**
   * Whether a process has it open for reading, an O_RDWR writer included. It is asked by an open for
   * writing, which fails without one; a reader may see the hang-up of that writer. Before `close`.
   */
  hasReader(): boolean {
    const flags = constants.O_WRONLY | constants.O_NONBLOCK;
    try {
      closeSync(openPath(`/proc/self/fd/${this.#pathFd ?? -1}`, flags));
      return true;
    } catch (error) {
      if (errnoNameOf(error) === "ENXIO") return false;
      throw error;
    }
  }

  /**
   * Removes the name, if it still is this FIFO's. One that cannot be removed is collected later. Also
   * after `close`, while an end is open: its inode is no other file's then.
   */
  unlink(): void {
    const mine = this.#identity;
    try {
      const found = statSync(this.#path, { bigint: true });
      if (found.ino !== mine.ino || found.dev !== mine.dev) return;
      const rootFd = openPath(this.#location.root, O_PATH | constants.O_DIRECTORY);
      try {
        unlinkAt(rootFd, this.#location.relativePath);
      } finally {
        closeSync(rootFd);
      }
    } catch (error) {
      // Gone already, or in a place that is another one now: no reason not to close the stream.
      if (errnoNameOf(error) === undefined) throw error;
    }
  }

  /** The reading ends stay open. */
  close(): void {
    if (this.#pathFd !== undefined) closeSync(this.#pathFd);
    this.#pathFd = undefined;
  }
}

/** A new reading end of the FIFO that a descriptor is open for, whatever has its name. */
export function openEndOf(fd: number): number {
  return openPath(`/proc/self/fd/${fd}`, constants.O_RDONLY | constants.O_NONBLOCK);
}

function unopened(path: string, error: unknown): FifoError {
  const reason = describeErrno(errnoNameOf(error) ?? "EIO");
  return new FifoError(`pipe ${path} cannot be opened: ${reason}`, error);
}

function flawOf(stat: Stats): string | undefined {
  if (!stat.isFIFO()) return "is not a FIFO";
  if (stat.nlink > 1) return "has more than one hard link";
  const user = process.getuid?.();
  if (stat.uid !== user) return `belongs to user ${stat.uid}; it must belong to user ${user}`;
  const mode = stat.mode & modeMask;
  if (mode !== requiredMode) {
    return `has mode ${mode.toString(8).padStart(4, "0")}; it must be 0600`;
  }
  return undefined;
}
