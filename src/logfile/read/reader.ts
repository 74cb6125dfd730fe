// SPDX-License-Identifier: Apache-2.0
// Reads a log by position: an epoch and an offset in it always mean one byte, wherever rotation has
// moved it, or the answer is that it is gone. Works beside a daemon that writes, and without one.

import { closeSync, constants, fstatSync, readSync } from "node:fs";
import { errnoNameOf, openBeneath } from "../../kernel/index.ts";
import {
  chainName,
  type FileOnDisk,
  fileOf,
  findCopies,
  findLive,
  LogDirectory,
} from "../files/index.ts";
import {
  findFile,
  type IndexedFile,
  type LogIndex,
  placeFiles,
  placeInLog,
  readIndex,
} from "../index/index.ts";

export interface Position {
  readonly epoch: string;
  /** Bytes since the epoch's first one. */
  readonly offset: number;
}

export type PositionRead =
  /** At least one byte; fewer than asked for where a file or the epoch ends. */
  | { readonly kind: "bytes"; readonly bytes: Buffer }
  | { readonly kind: "rotatedAway" }
  /** The log's end, or behind it. */
  | { readonly kind: "notYet" }
  /** Another epoch had begun before that offset. */
  | { readonly kind: "beyondEpoch" }
  /** No such epoch in this log, or so long ago that the index has forgotten it. */
  | { readonly kind: "unknownEpoch" };

/** Looks that may fall into a rotation, one after the other, before the reader gives up. */
const looksMax = 1000;

export class LogReader {
  readonly #directory: LogDirectory;

  /** Throws LogfileError. */
  constructor(root: string, relativePath: string) {
    this.#directory = LogDirectory.open(root, relativePath);
  }

  /** At most `bytesMax` bytes from a position on. Throws KernelError if the files cannot be read. */
  read(position: Position, bytesMax: number): PositionRead {
    for (let look = 0; look < looksMax; look += 1) {
      const result = this.#tryRead(position, bytesMax);
      if (result !== "changed") return result;
    }
    return { kind: "rotatedAway" };
  }

  close(): void {
    this.#directory.close();
  }

  #tryRead({ epoch, offset }: Position, bytesMax: number): PositionRead | "changed" {
    const index = this.#index();
    if (index === undefined) return { kind: "unknownEpoch" };
    const place = placeInLog(index, epoch, offset);
    if (place.kind !== "at") return place;
    const files = this.#filesOnDisk(index);
    if (files === undefined) return "changed";
    const position = files.findIndex(({ base }) => base <= place.offset);
    const file = files[position];
    if (file === undefined) return { kind: "rotatedAway" };
    const end = Math.min(place.offset + bytesMax, place.end);
    const bytes = this.#readFile(file, place.offset - file.base, end - place.offset);
    // A rotation in between may have put another file under the name that was read.
    if (bytes === undefined || !isSame(index, this.#index())) return "changed";
    if (bytes.length > 0) return { kind: "bytes", bytes };
    return position === 0 ? { kind: "notYet" } : { kind: "rotatedAway" };
  }

  #index(): LogIndex | undefined {
    try {
      return readIndex(this.#directory.fd, this.#directory.name);
    } catch (error) {
      if (errnoNameOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /**
   * Newest first, with their names; `undefined` while the live file is not the one of the index.
   * Without a live file, in a rotation that a full disk holds up, there are the copies.
   */
  #filesOnDisk(index: LogIndex): readonly NamedFile[] | undefined {
    const live = findLive(this.#directory);
    const [known] = index.files;
    const { name } = this.#directory;
    const copies = findCopies(this.#directory);
    if (live === undefined) {
      return copies.flatMap((copy) => {
        const placed = findFile(index, copy);
        const { sizeBytes } = copy;
        return placed ? [{ ...placed, sizeBytes, name: chainName(name, copy.index) }] : [];
      });
    }
    if (known === undefined || !isFile(live, known)) return undefined;
    return placeFiles(live, copies, known.base, index).map((file) => ({
      ...file,
      name: chainName(name, file.copy),
    }));
  }

  #readFile(file: NamedFile, position: number, bytesMax: number): Buffer | undefined {
    let fd: number;
    try {
      fd = openBeneath(this.#directory.fd, file.name, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (error) {
      if (errnoNameOf(error) === "ENOENT") return undefined;
      throw error;
    }
    try {
      if (!isFile(fileOf(fstatSync(fd)), file)) return undefined;
      const bytes = Buffer.allocUnsafe(bytesMax);
      return bytes.subarray(0, readSync(fd, bytes, 0, bytesMax, position));
    } finally {
      closeSync(fd);
    }
  }
}

interface NamedFile extends IndexedFile {
  readonly name: string;
}

function isFile(
  a: Pick<FileOnDisk, "inode" | "bornMs">,
  b: Pick<FileOnDisk, "inode" | "bornMs">,
): boolean {
  return a.inode === b.inode && a.bornMs === b.bornMs;
}

/** The same live file at the same offset; other entries may be new. */
function isSame(before: LogIndex, now: LogIndex | undefined): boolean {
  const [a, b] = [before.files[0], now?.files[0]];
  return a !== undefined && b !== undefined && isFile(a, b) && a.base === b.base;
}
