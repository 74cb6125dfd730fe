// SPDX-License-Identifier: Apache-2.0
// The live file of a log, open, with the size that it had after our last write. Another size on disk
// means that others have written to it or cut it.

import { fstatSync, ftruncateSync, readSync, writeSync } from "node:fs";
import { closeFile, seekToEnd } from "../../kernel/index.ts";
import {
  type FileIdentity,
  type FileOnDisk,
  fileOf,
  type LogDirectory,
  openLog,
} from "../files/index.ts";

const newline = 0x0a;

export class LiveFile implements FileOnDisk {
  readonly fd: number;
  readonly inode: number;
  readonly bornMs: number;
  #sizeBytes: number;

  private constructor(fd: number, { inode, bornMs }: FileOnDisk, sizeBytes: number) {
    this.fd = fd;
    this.inode = inode;
    this.bornMs = bornMs;
    this.#sizeBytes = sizeBytes;
  }

  /** Opens or makes it, at its end; see `openLog`. Throws LogfileError or KernelError. */
  static open(directory: LogDirectory, own: FileIdentity | undefined): LiveFile {
    const fd = openLog(directory.fd, directory.name, own);
    try {
      return new LiveFile(fd, fileOf(fstatSync(fd)), seekToEnd(fd));
    } catch (error) {
      closeFile(fd);
      throw error;
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** The file as it is known now. */
  known(): FileOnDisk {
    return { inode: this.inode, bornMs: this.bornMs, sizeBytes: this.#sizeBytes };
  }

  /** Its size on disk; the next splice begins there. */
  seekToEnd(): number {
    return seekToEnd(this.fd);
  }

  /** From now on it is known to have that size. */
  resized(sizeBytes: number): void {
    this.#sizeBytes = sizeBytes;
  }

  writeAt(position: number, bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.fd, bytes, done, bytes.length - done, position + done);
      }
    } finally {
      this.#sizeBytes = seekToEnd(this.fd);
    }
  }

  /** Cuts the file off at a position. */
  cutBack(position: number): void {
    if (this.#sizeBytes > position) ftruncateSync(this.fd, position);
    this.#sizeBytes = seekToEnd(this.fd);
  }

  endsLine(): boolean {
    const last = Buffer.alloc(1);
    const position = this.#sizeBytes - 1;
    return position >= 0 && readSync(this.fd, last, 0, 1, position) === 1 && last[0] === newline;
  }

  /** Bytes from a position on, as many as there are. */
  read(position: number, bytesMax: number): Buffer {
    const bytes = Buffer.alloc(bytesMax);
    return bytes.subarray(0, readSync(this.fd, bytes, 0, bytesMax, position));
  }

  close(): void {
    closeFile(this.fd);
  }
}
