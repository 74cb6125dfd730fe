// SPDX-License-Identifier: Apache-2.0
// A file that can be replaced while its file system is full and has no inode left: a spare file beside
// it has the room, and the two change places at each replacement. The text is filled up with newlines.
// A reader sees the old text or the new one; a killed process leaves one of them. One replacement at a
// time. No fsync. On a file system that copies on write each replacement takes new room nevertheless.

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  write as writeCallback,
  writeSync,
} from "node:fs";
import { promisify } from "node:util";

const write = promisify(writeCallback);

const ownerOnly = 0o600;
const readWrite = constants.O_RDWR | constants.O_NOFOLLOW;

export class ReservedFile {
  readonly #path: string;
  readonly #sparePath: string;
  /** A name that the old file has while the two change places. */
  readonly #oldPath: string;
  #spareFd: number | undefined;
  #spareBytes = 0;

  /** Makes nothing, and throws nothing. */
  constructor(path: string) {
    this.#path = path;
    this.#sparePath = `${path}.new`;
    this.#oldPath = `${path}.old`;
    try {
      // A killed process may have left it.
      const isOldNeeded = existsSync(this.#oldPath) && !existsSync(this.#sparePath);
      if (isOldNeeded) renameSync(this.#oldPath, this.#sparePath);
      this.#useAsSpare(openIfThere(this.#sparePath));
    } catch {
      // The next replacement meets the same error, and reports it.
    }
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
    this.#spareBytes += writeSync(fd, filling, 0, missingBytes, this.#spareBytes);
    if (this.roomBytes < bytes) this.reserve(bytes);
  }

  /** Throws the error that a replacement would meet now for another reason than missing room. */
  probe(): void {
    const fd = this.#openSpare();
    if (this.#spareBytes > 0) writeSync(fd, "\n", this.#spareBytes - 1);
  }

  /** Throws the file system's error; the file is as before then. */
  replace(text: string): void {
    const bytes = this.#filledUp(text);
    const fd = this.#openSpare();
    for (let at = 0; at < bytes.byteLength; ) {
      at += writeSync(fd, bytes, at, bytes.byteLength - at, at);
    }
    this.#changePlaces(bytes.byteLength);
  }

  /** The same without blocking the event loop, for a large text. */
  async replaceLater(text: string): Promise<void> {
    const bytes = this.#filledUp(text);
    const fd = this.#openSpare();
    for (let at = 0; at < bytes.byteLength; ) {
      const { bytesWritten } = await write(fd, bytes, at, bytes.byteLength - at, at);
      at += bytesWritten;
    }
    this.#changePlaces(bytes.byteLength);
  }

  /** Removes the file and the one beside it. Throws the file system's error. */
  remove(): void {
    this.close();
    for (const path of [this.#path, this.#sparePath, this.#oldPath]) rmSync(path, { force: true });
  }

  close(): void {
    this.#useAsSpare(undefined);
  }

  #useAsSpare(fd: number | undefined): void {
    if (this.#spareFd !== undefined) closeSync(this.#spareFd);
    this.#spareFd = fd;
    this.#spareBytes = fd === undefined ? 0 : fstatSync(fd).size;
  }

  #openSpare(): number {
    if (this.#spareFd === undefined) {
      this.#useAsSpare(openSync(this.#sparePath, readWrite | constants.O_CREAT, ownerOnly));
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
      rmSync(this.#oldPath, { force: true });
      const hasOld = linkIfPossible(this.#path, this.#oldPath);
      renameSync(this.#sparePath, this.#path);
      if (hasOld) renameSync(this.#oldPath, this.#sparePath);
    } finally {
      this.#useAsSpare(openIfThere(this.#sparePath));
    }
    try {
      this.reserve(bytes - 1);
    } catch {
      // There is less room now; `roomBytes` says so.
    }
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, readWrite);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** False where the old file goes, and its room with it: the first time, and without hard links. */
function linkIfPossible(path: string, other: string): boolean {
  try {
    // A link to a symbolic link would be one, too.
    if (lstatSync(path).isSymbolicLink()) return false;
    linkSync(path, other);
    return true;
  } catch {
    return false;
  }
}
