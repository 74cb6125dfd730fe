// SPDX-License-Identifier: Apache-2.0
// Directories that are open, with one descriptor for all logs in a directory.

import { closeSync, fstatSync } from "node:fs";
import { errnoNameOf, identifyFileSystem } from "../../kernel/index.ts";

/** The directories that a process has open. */
export class OpenDirectories {
  /** Those that their paths led to last. */
  readonly #newest: Map<string, OpenDirectory> = new Map();

  /** What `path` leads to now: `fd`, which is this folder's to close from now on. */
  take(path: string, fd: number): OpenDirectory {
    const known = this.#newest.get(path);
    if (known?.is(fd) === true) {
      known.use(fd);
      return known;
    }
    try {
      const made = new OpenDirectory(fd);
      this.#newest.set(path, made);
      return made;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  release(path: string, directory: OpenDirectory): void {
    if (directory.release() === "used") return;
    if (this.#newest.get(path) === directory) this.#newest.delete(path);
  }
}

export class OpenDirectory {
  readonly #inode: number;
  readonly device: number;
  /** `undefined` if it cannot be found out: the directory may not be read, perhaps. */
  readonly fileSystem: string | undefined;
  #fd: number;
  #users = 1;

  constructor(fd: number) {
    const { ino, dev } = fstatSync(fd);
    this.#fd = fd;
    this.#inode = ino;
    this.device = dev;
    this.fileSystem = fileSystemOf(fd);
  }

  get fd(): number {
    return this.#fd;
  }

  /** False if its file system gives an error. */
  get isAlive(): boolean {
    try {
      fstatSync(this.#fd);
      return true;
    } catch (error) {
      if (errnoNameOf(error) === undefined) throw error;
      return false;
    }
  }

  /** Whether the descriptor is open for the same directory. */
  is(fd: number): boolean {
    const { ino, dev } = fstatSync(fd);
    return ino === this.#inode && dev === this.device;
  }

  /** One user more, and a descriptor of the same directory that was opened later. */
  use(fd: number): void {
    closeSync(this.#fd);
    this.#fd = fd;
    this.#users += 1;
  }

  /** One user less; closed without any. */
  release(): "used" | "closed" {
    this.#users -= 1;
    if (this.#users > 0) return "used";
    closeSync(this.#fd);
    return "closed";
  }
}

export function fileSystemOf(fd: number): string | undefined {
  try {
    return identifyFileSystem(`/proc/self/fd/${fd}`);
  } catch (error) {
    if (errnoNameOf(error) === undefined) throw error;
    return undefined;
  }
}
