// SPDX-License-Identifier: Apache-2.0
// When files are written to the disk, which decides what a power failure may cost. fsync runs in libuv's
// threads, so a slow disk delays no log; only when too many wait does the next one block.

import { constants, fdatasync, fdatasyncSync, fsync } from "node:fs";
import { closeFile, errnoNameOf, openBeneath, openPath } from "../../kernel/index.ts";
import { refusalOf } from "../files/index.ts";

export type FsyncPolicy =
  /** The kernel writes when it likes: after about 30 s, by default. */
  | { readonly kind: "none" }
  /** A file is written when it is rotated or closed. */
  | { readonly kind: "rotate" }
  /** Besides that every file that has grown, so often. */
  | { readonly kind: "interval"; readonly intervalMs: number };

/** What a power failure would cost of one log. */
export interface Syncable {
  readonly directoryFd: number;
  /** An open descriptor: the live file. */
  readonly fd?: number | undefined;
  /** A file in the directory: the side file. */
  readonly name?: string | undefined;
}

/** Each of them keeps a thread of the pool busy, and a file open. */
const inFlightMax = 8;
const readOnly = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
/** Logs that an interval syncs at once: the threads that libuv has. */
const dueInFlightMax = 4;

export class Durability {
  #policy: FsyncPolicy;
  #inFlight = 0;
  /** What has grown since the last interval, by owner. */
  readonly #grown: Map<object, () => Syncable> = new Map();
  /** Of those, what the interval has made due; beside the event loop, however many they are. */
  readonly #due: Map<object, () => Syncable> = new Map();
  #dueInFlight = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(policy: FsyncPolicy) {
    this.#policy = policy;
  }

  set policy(policy: FsyncPolicy) {
    this.#policy = policy;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (policy.kind !== "interval") this.#due.clear();
    if (this.#grown.size > 0) this.#arm();
  }

  /** Takes a finished file and closes it, on the disk if the policy wants that. */
  finish(fd: number): void {
    if (this.#policy.kind === "none") {
      closeFile(fd);
    } else if (this.#inFlight >= inFlightMax) {
      syncNow(fd);
      closeFile(fd);
    } else {
      this.#inFlight += 1;
      // A disk that refuses it has lost what it lost: the bytes stay in the page cache.
      fdatasync(fd, () => {
        this.#inFlight -= 1;
        closeFile(fd);
      });
    }
  }

  /** A file that takes another one's name next: without its bytes on the disk both could be lost. */
  complete(fd: number): void {
    if (this.#policy.kind !== "none") syncNow(fd);
  }

  /** Names have changed, and their entries in the side file. */
  renamed(files: Syncable): void {
    if (this.#policy.kind !== "none") this.#sync(files);
  }

  grown(owner: object, files: () => Syncable): void {
    if (this.#policy.kind !== "interval") return;
    this.#grown.set(owner, files);
    if (this.#timer === undefined) this.#arm();
  }

  forget(owner: object): void {
    this.#grown.delete(owner);
    this.#due.delete(owner);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #arm(): void {
    if (this.#policy.kind !== "interval") return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      for (const [owner, files] of this.#grown) this.#due.set(owner, files);
      this.#grown.clear();
      this.#syncDue();
    }, this.#policy.intervalMs);
  }

  #syncDue(): void {
    for (const [owner, files] of this.#due) {
      if (this.#dueInFlight >= dueInFlightMax) return;
      this.#due.delete(owner);
      let opened: readonly number[];
      try {
        opened = openAll(files());
      } catch (error) {
        refusalOf(error);
        // Too many open files, perhaps: at the next interval then.
        this.grown(owner, files);
        continue;
      }
      this.#dueInFlight += 1;
      syncEach(opened, () => {
        this.#dueInFlight -= 1;
        this.#syncDue();
      });
    }
  }

  #sync(files: Syncable): void {
    for (const fd of openFiles(files)) this.finish(fd);
    this.#syncDirectory(openDirectory(files));
  }

  #syncDirectory(fd: number): void {
    if (this.#inFlight >= inFlightMax) {
      syncNow(fd);
      closeFile(fd);
      return;
    }
    this.#inFlight += 1;
    fsync(fd, () => {
      this.#inFlight -= 1;
      closeFile(fd);
    });
  }
}

/** Opens the files again, since the stream may close its own descriptors meanwhile. */
function openFiles({ directoryFd, fd, name }: Syncable): readonly number[] {
  const opened: number[] = [];
  try {
    if (fd !== undefined) opened.push(openPath(`/proc/self/fd/${fd}`, constants.O_RDONLY));
    if (name !== undefined) opened.push(openBeneath(directoryFd, name, readOnly));
  } catch (error) {
    // Others have removed the side file: it is made again when it is written.
    if (errnoNameOf(error) === "ENOENT") return opened;
    for (const each of opened) closeFile(each);
    throw error;
  }
  return opened;
}

function openDirectory({ directoryFd }: Syncable): number {
  return openBeneath(directoryFd, ".", constants.O_RDONLY | constants.O_DIRECTORY);
}

/** Both, the directory last. */
function openAll(files: Syncable): readonly number[] {
  const opened = openFiles(files);
  try {
    return [...opened, openDirectory(files)];
  } catch (error) {
    for (const fd of opened) closeFile(fd);
    throw error;
  }
}

/** One after the other, the directory last; closes them. */
function syncEach([fd, ...others]: readonly number[], onEnd: () => void): void {
  if (fd === undefined) {
    onEnd();
    return;
  }
  const sync = others.length === 0 ? fsync : fdatasync;
  sync(fd, () => {
    closeFile(fd);
    syncEach(others, onEnd);
  });
}

function syncNow(fd: number): void {
  try {
    fdatasyncSync(fd);
  } catch {
    // As above.
  }
}
