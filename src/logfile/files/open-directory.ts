// SPDX-License-Identifier: Apache-2.0
// Directories that are open, with one descriptor for all logs in a directory.

import { closeSync, fstatSync } from "node:fs";
import { errnoNameOf, identifyFileSystem } from "../../kernel/index.ts";

/** Those that their paths led to last. */
const newest = new Map<string, OpenDirectory>();

export class OpenDirectory {
  readonly #path: string;
  readonly #inode: number;
  readonly #device: number;
  /** `undefined` if it cannot be found out: the directory may not be read, perhaps. */
  readonly fileSystem: string | undefined;
  #fd: number;
  #users = 1;

  private constructor(path: string, fd: number) {
    const { ino, dev } = fstatSync(fd);
    this.#path = path;
    this.#fd = fd;
    this.#inode = ino;
    this.#device = dev;
    this.fileSystem = fileSystemOf(fd);
  }

  /** What `path` leads to now: `fd`, which is this folder's to close from now on. */
  static take(path: string, fd: number): OpenDirectory {
    const known = newest.get(path);
    if (known?.is(fd) === true) {
      known.#users += 1;
      known.replace(fd);
      return known;
    }
    let made: OpenDirectory;
    try {
      made = new OpenDirectory(path, fd);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    newest.set(path, made);
    return made;
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
    return ino === this.#inode && dev === this.#device;
  }

  /** Uses that descriptor of the same directory: it was opened later. */
  replace(fd: number): void {
    closeSync(this.#fd);
    this.#fd = fd;
  }

  /** One user less. */
  release(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    closeSync(this.#fd);
    if (newest.get(this.#path) === this) newest.delete(this.#path);
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
