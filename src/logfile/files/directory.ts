// SPDX-License-Identifier: Apache-2.0
// A directory as a descriptor, and files beneath it. Nothing here follows a symbolic link or leaves
// the directory, also when directories above it are renamed meanwhile.

import { closeSync, constants, fstatSync, mkdirSync, type Stats } from "node:fs";
import { constants as system } from "node:os";
import {
  errnoNameOf,
  KernelError,
  O_PATH,
  openBeneath,
  openPath,
  statAt,
} from "../../kernel/index.ts";
import { LogfileError } from "./errors.ts";
import { fileSystemOf, OpenDirectories, type OpenDirectory } from "./open-directory.ts";

/** The directory of a log, and the log's name in it. */
export class LogDirectory {
  readonly #root: string;
  readonly #parent: string | undefined;
  readonly name: string;
  readonly #directories: OpenDirectories;
  #open: OpenDirectory;

  private constructor(
    root: string,
    parent: string | undefined,
    name: string,
    directories: OpenDirectories,
  ) {
    this.#directories = directories;
    this.#root = root;
    this.#parent = parent;
    this.name = name;
    this.#open = directories.take(this.#path, openBelow(root, parent));
  }

  /**
   * Opens the directory that holds `relativePath` beneath the directory `root`, or shares it with other
   * logs of `directories`. Throws LogfileError.
   */
  static open(
    root: string,
    relativePath: string,
    directories: OpenDirectories = new OpenDirectories(),
  ): LogDirectory {
    const slash = relativePath.lastIndexOf("/");
    const parent = slash < 0 ? undefined : relativePath.slice(0, slash);
    return new LogDirectory(root, parent, relativePath.slice(slash + 1), directories);
  }

  /** For use at once: it changes whenever the directory is opened again, for another log as well. */
  get fd(): number {
    return this.#open.fd;
  }

  /** Number of the device that its files are on. */
  get device(): number {
    return this.#open.device;
  }

  /**
   * Looks where the path leads now. One that leads nowhere is made again: it was there before. As
   * long as it cannot be opened the directory stays the one that it was. Throws as `renew` if the
   * directory gives an error.
   */
  reopen(): "same" | "moved" {
    if (!this.#open.isAlive) {
      this.renew();
      return "same";
    }
    let fd: number;
    try {
      fd = this.#openAgain();
    } catch (error) {
      if (error instanceof LogfileError || errnoNameOf(error) !== undefined) return "same";
      throw error;
    }
    if (this.#open.is(fd)) {
      closeSync(fd);
      return "same";
    }
    this.#become(fd);
    return "moved";
  }

  /**
   * Opens the path anew after an error: the directory's server may have been started again, or its disk
   * mounted again. Throws LogfileError or KernelError while that is not possible, or while another file
   * system is there: the place of the mount, perhaps.
   */
  renew(): void {
    const fd = openBelow(this.#root, this.#parent);
    const { fileSystem } = this.#open;
    if (fileSystem !== undefined && fileSystemOf(fd) !== fileSystem) {
      closeSync(fd);
      throw new LogfileError("otherFileSystem", this.#path);
    }
    this.#become(fd);
  }

  close(): void {
    this.#directories.release(this.#path, this.#open);
  }

  get #path(): string {
    return this.#parent === undefined ? this.#root : `${this.#root}/${this.#parent}`;
  }

  #become(fd: number): void {
    const before = this.#open;
    this.#open = this.#directories.take(this.#path, fd);
    this.#directories.release(this.#path, before);
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

const logFileMode = 0o600;

/** A file as the kernel knows it. */
export interface FileIdentity {
  readonly inode: number;
  /** Birth time in ms; it distinguishes a file from a later one with the same inode. */
  readonly bornMs: number;
}

/**
 * Opens a log for appending by splice, making it if need be: a regular file, and with one name unless it
 * is `own`, or a LogfileError. A second link would be a way to make us write elsewhere; one that others
 * have made to a log of ours, for a backup, is none.
 */
export function openLog(directoryFd: number, name: string, own: FileIdentity | undefined): number {
  statLog(directoryFd, name, own);
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY;
  let fd: number;
  try {
    fd = openBeneath(directoryFd, name, flags, logFileMode);
  } catch (error) {
    throw new LogfileError("open", name, error);
  }
  try {
    // Others may have put something else there since.
    requireOneRegular(fstatSync(fd), name, own);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * The status of a log, `undefined` if it is not there yet. Throws a LogfileError unless `openLog` may open it: to
 * open a FIFO or a device would be felt at its other end.
 */
export function statLog(
  directoryFd: number,
  name: string,
  own: FileIdentity | undefined,
): Stats | undefined {
  const stat = statAt(directoryFd, name);
  if (stat?.isSymbolicLink() === true) {
    throw new LogfileError("open", name, new KernelError("openat2", system.errno.ELOOP, name));
  }
  if (stat !== undefined) requireOneRegular(stat, name, own);
  return stat;
}

function requireOneRegular(stat: Stats, name: string, own: FileIdentity | undefined): void {
  if (!stat.isFile()) throw new LogfileError("notRegular", name);
  const isOwn = own?.inode === stat.ino && own.bornMs === stat.birthtimeMs;
  if (!isOwn && stat.nlink !== 1) throw new LogfileError("linked", name);
}
