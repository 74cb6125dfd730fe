// SPDX-License-Identifier: Apache-2.0
// The streams as files on tmpfs, one each, so that a restarted daemon moves bytes before it asks
// xenstore anything. A record is there from before its FIFO is opened until after it is closed.

import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { removeIfPossible, replaceFile } from "../../program/index.ts";
import { parseStreamRecord, type StreamRecord } from "../../pump/index.ts";

const suffix = ".json";

export class StreamTable {
  readonly #directory: string;
  /** Where the pumps keep each stream's positions. */
  readonly positionsDirectory: string;

  constructor(volatileDirectory: string) {
    this.#directory = `${volatileDirectory}/streams`;
    this.positionsDirectory = `${volatileDirectory}/positions`;
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    mkdirSync(this.positionsDirectory, { recursive: true, mode: 0o700 });
  }

  /** The records that are there, in the order in which the streams began. */
  load(): readonly StreamRecord[] {
    const names = readdirSync(this.#directory).filter((name) => name.endsWith(suffix));
    return names
      .map((name) => this.#read(name))
      .filter((record) => record !== undefined)
      .sort((a, b) => a.sequence - b.sequence);
  }

  /** A damaged record is left alone: it is evidence, and must not keep a daemon from starting. */
  #read(name: string): StreamRecord | undefined {
    try {
      return parseStreamRecord(readFileSync(`${this.#directory}/${name}`, "utf8"));
    } catch {
      return undefined;
    }
  }

  add(record: StreamRecord): void {
    replaceFile(this.#pathOf(record.epoch), JSON.stringify(record));
  }

  /** A record that stays is of a stream whose FIFO is gone: the next daemon finds that out. */
  remove(epoch: string): void {
    removeIfPossible(this.#pathOf(epoch));
    removeIfPossible(`${this.positionsDirectory}/${epoch}`);
  }

  #pathOf(epoch: string): string {
    return `${this.#directory}/${epoch}${suffix}`;
  }
}
