// SPDX-License-Identifier: Apache-2.0
// The streams as files on tmpfs, one each, so that a restarted daemon moves bytes before it asks
// xenstore anything. A record is there from before its FIFO is opened until after it is closed.

import { existsSync, readdirSync } from "node:fs";
import {
  loadState,
  makeDirectory,
  removeIfPossible,
  replaceFile,
  type SetAside,
} from "../../program/index.ts";
import { parseStreamRecord, type StreamRecord } from "../../pump/index.ts";

const suffix = ".json";

export class StreamTable {
  readonly #directory: string;
  /** Where the pumps keep each stream's positions. */
  readonly positionsDirectory: string;

  constructor(volatileDirectory: string) {
    this.#directory = `${volatileDirectory}/streams`;
    this.positionsDirectory = `${volatileDirectory}/positions`;
    makeDirectory(this.#directory, 0o700);
    makeDirectory(this.positionsDirectory, 0o700);
  }

  /**
   * The records that are there, in the order in which the streams began. A damaged one must not keep a
   * daemon from starting; it is set aside, since it is evidence.
   */
  load(onSetAside: (file: SetAside) => void): readonly StreamRecord[] {
    const names = readdirSync(this.#directory).filter((name) => name.endsWith(suffix));
    return names
      .map((name) => loadState(`${this.#directory}/${name}`, parseStreamRecord, onSetAside))
      .filter((record) => record !== undefined)
      .sort((a, b) => a.sequence - b.sequence);
  }

  get directories(): readonly string[] {
    return [this.#directory, this.positionsDirectory];
  }

  /** Removes positions without a stream: a process was killed between the removal of the two. */
  removeOrphans(): void {
    for (const epoch of readdirSync(this.positionsDirectory)) {
      if (/^[0-9a-f]+$/.test(epoch) && !existsSync(this.#pathOf(epoch))) this.remove(epoch);
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
