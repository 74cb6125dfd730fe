// SPDX-License-Identifier: Apache-2.0
// A file that can be replaced while its file system is full and has no inode left: a spare file beside
// it has the room, and the two change places at each replacement. The text is filled up with newlines.
// `read` gives the old text or the new one, after a kill as well. One replacement at a time. No fsync.
// On a file system that copies on write each replacement takes new room nevertheless.
//
//   replacement   path  .new  .old     a kill leaves
//   before        old   new            the old text
//   rename 1            new   old      the new text, in .new
//   rename 2      new         old      the new text
//   rename 3      new   old            the new text
//
// Renames only: a hard link would need an inode on a tmpfs.

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  renameSync,
  unlinkSync,
  write as writeCallback,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";
import { removeIfPossible } from "./replace-file.ts";
import { readStateFile, requireOurs, StateFileError } from "./state-file.ts";

const write = promisify(writeCallback);

const ownerOnly = 0o600;
const readWrite = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NOCTTY;

export class ReservedFile {
  readonly #path: string;
  readonly #sparePath: string;
  /** A name that the old file has while the two change places. */
  readonly #oldPath: string;
  #spareFd: number | undefined;
  #spareBytes = 0;
  /** The file system refused a write for another reason than missing room. */
  #isStale: boolean = false;
  #isWriting: boolean = false;

  /** Makes nothing, and throws nothing. */
  constructor(path: string) {
    this.#path = path;
    this.#sparePath = `${path}.new`;
    this.#oldPath = `${path}.old`;
    try {
      this.#finishChange();
      this.#useAsSpare(openIfThere(this.#sparePath));
    } catch {
      // The next replacement meets the same error, and reports it.
    }
  }

  /** The text, with newlines behind it; undefined where there is none yet. Throws as readStateFile. */
  read(bytesMax?: number): string | undefined {
    // On a read-only disk, a change that was killed could not be finished.
    const isBetween = !existsSync(this.#path) && existsSync(this.#oldPath);
    return readStateFile(isBetween ? this.#sparePath : this.#path, bytesMax);
  }

  /** A text of so many bytes can be written whatever else fills the file system. */
  get roomBytes(): number {
    // The newline behind the text.
    return Math.max(0, this.#spareBytes - 1);
  }

  /** Takes room for a text of `bytes`. Throws the file system's error; the room that is there stays. */
  reserve(bytes: number): void {
    const fd = this.#openSpare();
    const missingBytes = bytes + 1 - this.#spareBytes;
    if (missingBytes <= 0) return;
    const filling = Buffer.alloc(missingBytes, "\n");
    this.#spareBytes += this.#write(() =>
      writeSync(fd, filling, 0, missingBytes, this.#spareBytes),
    );
    if (this.roomBytes < bytes) this.reserve(bytes);
  }

  /** Throws the error that a replacement would meet now for another reason than missing room. */
  probe(): void {
    const fd = this.#openSpare();
    if (this.#spareBytes > 0) this.#write(() => writeSync(fd, "\n", this.#spareBytes - 1));
  }

  /** Throws the file system's error; the file is as before then. */
  replace(text: string): void {
    const bytes = this.#filledUp(text);
    const fd = this.#openSpare();
    for (let at = 0; at < bytes.byteLength; ) {
      at += this.#write(() => writeSync(fd, bytes, at, bytes.byteLength - at, at));
    }
    this.#changePlaces(bytes.byteLength);
  }

  /** The same without blocking the event loop, for a large text. */
  async replaceLater(text: string): Promise<void> {
    const bytes = this.#filledUp(text);
    const fd = this.#openSpare();
    for (let at = 0; at < bytes.byteLength; ) {
      this.#isWriting = true;
      try {
        at += (await write(fd, bytes, at, bytes.byteLength - at, at)).bytesWritten;
      } catch (error) {
        throw this.#failed(error);
      } finally {
        this.#isWriting = false;
      }
    }
    this.#changePlaces(bytes.byteLength);
  }

  /** Removes the file and the room for another one. */
  removeIfPossible(): void {
    this.close();
    removeIfPossible(this.#path);
  }

  /** Ends in order: no room is left behind. */
  close(): void {
    this.#useAsSpare(undefined);
    removeIfPossible(this.#sparePath);
  }

  #write(act: () => number): number {
    try {
      return act();
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** The disk may be mounted again in the same place: the next try opens the path, not this file. */
  #failed(error: unknown): unknown {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOSPC" && code !== "EDQUOT") this.#isStale = true;
    return error;
  }

  #useAsSpare(fd: number | undefined): void {
    if (this.#spareFd !== undefined) closeSync(this.#spareFd);
    this.#spareFd = fd;
    this.#spareBytes = fd === undefined ? 0 : fstatSync(fd).size;
  }

  #openSpare(): number {
    // Never under a write that is on its way: its descriptor's number may be another file's then.
    if (this.#isStale && !this.#isWriting) {
      this.#useAsSpare(undefined);
      this.#isStale = false;
    }
    if (this.#spareFd === undefined) {
      const flags = readWrite | constants.O_CREAT;
      this.#useAsSpare(openIfThere(this.#sparePath) ?? openSync(this.#sparePath, flags, ownerOnly));
    }
    return this.#spareFd ?? -1;
  }

  /** As long as the spare file, so that nothing of an older text stays in it. */
  #filledUp(text: string): Buffer {
    const bytes = Buffer.byteLength(text);
    const filled = Buffer.alloc(Math.max(bytes + 1, this.#spareBytes), "\n");
    filled.write(text);
    return filled;
  }

  /** The old file keeps its room and its inode: a rename over it would free them for others. */
  #changePlaces(bytes: number): void {
    try {
      if (existsSync(this.#path)) {
        renameSync(this.#path, this.#oldPath);
        this.#finishChange();
      } else {
        renameSync(this.#sparePath, this.#path);
      }
    } finally {
      this.#useAsSpare(openIfThere(this.#sparePath));
    }
    try {
      this.reserve(bytes - 1);
    } catch {
      // There is less room now; `roomBytes` says so.
    }
  }

  #finishChange(): void {
    const hasOld = existsSync(this.#oldPath);
    if (!existsSync(this.#path) && hasOld) renameSync(this.#sparePath, this.#path);
    if (hasOld) renameSync(this.#oldPath, this.#sparePath);
  }
}

/** Removes what is not ours: it would become the file. */
function openIfThere(path: string): number | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, readWrite);
    requireOurs(fd, path);
    return fd;
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    if (code !== "ELOOP" && !(error instanceof StateFileError)) throw error;
    unlinkSync(path);
    return undefined;
  }
}
