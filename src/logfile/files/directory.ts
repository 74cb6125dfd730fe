// SPDX-License-Identifier: Apache-2.0
// A directory as a descriptor, and files beneath it. Nothing here follows a symbolic link or leaves
// the directory, also when directories above it are renamed meanwhile.

import { closeSync, constants, fstatSync, mkdirSync, readdirSync, type Stats } from "node:fs";
import {
  closeFile,
  errnoNameOf,
  identifyFileSystem,
  O_PATH,
  openBeneath,
  openPath,
} from "../../kernel/index.ts";
import { LogfileError } from "./errors.ts";

/** The directory of a log, and the log's name in it. */
export class LogDirectory {
  readonly #root: string;
  readonly #parent: string | undefined;
  readonly name: string;
  #fd: number;
  /** `undefined` if it cannot be found out: the directory may not be read, perhaps. */
  #fileSystem: string | undefined;

  private constructor(root: string, parent: string | undefined, name: string) {
    this.#root = root;
    this.#parent = parent;
    this.name = name;
    this.#fd = openBelow(root, parent);
    this.#fileSystem = fileSystemOf(this.#fd);
  }

  /** Opens the directory that holds `relativePath` beneath the directory `root`. Throws LogfileError. */
  static open(root: string, relativePath: string): LogDirectory {
    const slash = relativePath.lastIndexOf("/");
    const parent = slash < 0 ? undefined : relativePath.slice(0, slash);
    return new LogDirectory(root, parent, relativePath.slice(slash + 1));
  }

  /** Changes when `reopen` says "moved". */
  get fd(): number {
    return this.#fd;
  }

  /**
   * Looks where the path leads now. One that leads nowhere is made again: it was there before. As
   * long as it cannot be opened the directory stays the one that it was. Throws as `renew` if the
   * directory gives an error.
   */
  reopen(): "same" | "moved" {
    let fd: number;
    try {
      fd = this.#openAgain();
    } catch (error) {
      if (error instanceof LogfileError || errnoNameOf(error) !== undefined) return "same";
      throw error;
    }
    const [before, now] = [statOf(this.#fd), fstatSync(fd)];
    if (before?.ino === now.ino && before.dev === now.dev) {
      closeSync(fd);
      return "same";
    }
    if (before === undefined) {
      closeSync(fd);
      this.renew();
      return "same";
    }
    this.#become(fd, fileSystemOf(fd));
    return "moved";
  }

  /**
   * Opens the path anew after an error: the directory's server may have been started again, or its disk
   * mounted again. Throws LogfileError or KernelError while that is not possible, or while another file
   * system is there: the place of the mount, perhaps.
   */
  renew(): void {
    const fd = this.#openAgain();
    const fileSystem = fileSystemOf(fd);
    if (this.#fileSystem !== undefined && fileSystem !== this.#fileSystem) {
      closeFile(fd);
      throw new LogfileError("otherFileSystem", this.#path);
    }
    this.#become(fd, fileSystem);
  }

  close(): void {
    closeSync(this.#fd);
  }

  get #path(): string {
    return this.#parent === undefined ? this.#root : `${this.#root}/${this.#parent}`;
  }

  #become(fd: number, fileSystem: string | undefined): void {
    closeSync(this.#fd);
    this.#fd = fd;
    this.#fileSystem = fileSystem;
  }

  #openAgain(): number {
    try {
      return openBelow(this.#root, this.#parent);
    } catch (error) {
      if (!(error instanceof LogfileError) || errnoNameOf(error.cause) !== "ENOENT") throw error;
    }
    makeBelow(this.#root, this.#parent);
    return openBelow(this.#root, this.#parent);
  }
}

/** `undefined` where the file system gives an error. */
function statOf(fd: number): Stats | undefined {
  try {
    return fstatSync(fd);
  } catch (error) {
    if (errnoNameOf(error) === undefined) throw error;
    return undefined;
  }
}

function fileSystemOf(fd: number): string | undefined {
  try {
    return identifyFileSystem(`/proc/self/fd/${fd}`);
  } catch (error) {
    if (errnoNameOf(error) === undefined) throw error;
    return undefined;
  }
}

function openBelow(root: string, parent: string | undefined): number {
  const rootFd = openDirectory(root);
  if (parent === undefined) return rootFd;
  try {
    return openBeneath(rootFd, parent, O_PATH | constants.O_DIRECTORY);
  } catch (error) {
    throw new LogfileError("directory", `${root}/${parent}`, error);
  } finally {
    closeSync(rootFd);
  }
}

/** Makes the root, but nothing above it, and what is missing below it, without following a link. */
function makeBelow(root: string, parent: string | undefined): void {
  makeIfMissing(root);
  let fd = openDirectory(root);
  for (const component of parent?.split("/") ?? []) {
    const above = fd;
    try {
      makeIfMissing(`/proc/self/fd/${above}/${component}`);
      fd = openBeneath(above, component, O_PATH | constants.O_DIRECTORY);
    } finally {
      closeSync(above);
    }
  }
  closeSync(fd);
}

const logDirectoryMode = 0o750;

function makeIfMissing(path: string): void {
  try {
    mkdirSync(path, logDirectoryMode);
  } catch (error) {
    if (errnoNameOf(error) !== "EEXIST") throw error;
  }
}

function openDirectory(path: string): number {
  try {
    return openPath(path, O_PATH | constants.O_DIRECTORY);
  } catch (error) {
    throw new LogfileError("directory", path, error);
  }
}

/** Names in the directory. */
export function listNames(directoryFd: number): readonly string[] {
  return readdirSync(`/proc/self/fd/${directoryFd}`);
}

const logFileMode = 0o600;

/**
 * Opens a log for appending by splice, making it if need be: a regular file with one name, or a
 * LogfileError. A second link would be a way to make us write elsewhere.
 */
export function openLog(directoryFd: number, name: string): number {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY;
  let fd: number;
  try {
    fd = openBeneath(directoryFd, name, flags, logFileMode);
  } catch (error) {
    // A FIFO, a device without a driver and a directory each have their own errno here.
    if (errnoNameOf(error) === "EISDIR" || errnoNameOf(error) === "ENXIO") {
      throw new LogfileError("notRegular", name, error);
    }
    throw new LogfileError("open", name, error);
  }
  const stat = fstatSync(fd);
  if (stat.isFile() && stat.nlink === 1) return fd;
  closeSync(fd);
  throw new LogfileError(stat.isFile() ? "linked" : "notRegular", name);
}
