// SPDX-License-Identifier: Apache-2.0
// What a stranger finds of a log and of its stream: the files, the index beside them, the record of
// positions, and what LogReader reads with them.

import { closeSync, existsSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { LogIndex } from "../../../src/logfile/index/log-index.ts";
import type { LogReader } from "../../../src/logfile/index.ts";
import type { PositionRecord } from "../../../src/pump/position-record.ts";

/** Loaded by the bench: what is loaded before its crash points are there has none. */
export interface Readers {
  readonly LogReader: typeof LogReader;
  readonly readIndex: (directoryFd: number, name: string) => LogIndex | undefined;
}

/** Behind the record of a stream is what its writers sent, a number. */
const recordBytes = 2048;

export class FoundLog {
  readonly directory: string;
  readonly name: string;
  readonly #positionsDirectory: string;
  readonly #readers: Readers;

  constructor(directory: string, name: string, positionsDirectory: string, readers: Readers) {
    this.directory = directory;
    this.name = name;
    this.#positionsDirectory = positionsDirectory;
    this.#readers = readers;
  }

  get liveBytes(): number {
    return statSync(join(this.directory, this.name), { throwIfNoEntry: false })?.size ?? 0;
  }

  reader(): LogReader {
    return new this.#readers.LogReader(this.directory, this.name);
  }

  read(epoch: string, offset: number, bytes: number): ReturnType<LogReader["read"]> {
    const reader = this.reader();
    try {
      return reader.read({ epoch, offset }, bytes);
    } finally {
      reader.close();
    }
  }

  /** `undefined` if it is missing, or no file. */
  index(): LogIndex | undefined {
    const directoryFd = openSync(this.directory, "r");
    try {
      return this.#readers.readIndex(directoryFd, this.name);
    } catch {
      return undefined;
    } finally {
      closeSync(directoryFd);
    }
  }

  record(epoch: string): PositionRecord | undefined {
    const text = this.#positions(epoch).slice(0, recordBytes);
    return text === "" ? undefined : JSON.parse(text);
  }

  /** Where the epoch ends by its record, if that is about the file that has the name. */
  endOf(epoch: string): number | undefined {
    const record = this.record(epoch);
    if (record === undefined) return undefined;
    const { end, inode, inserted, unused } = record;
    if (end !== null) return end;
    const live = statSync(join(this.directory, this.name), { throwIfNoEntry: false });
    if (live?.ino !== inode) return undefined;
    const writtenBytes = Number(this.#positions(epoch).slice(recordBytes));
    return writtenBytes + inserted.marker + inserted.foreign + unused;
  }

  #positions(epoch: string): string {
    const path = join(this.#positionsDirectory, epoch);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }
}
