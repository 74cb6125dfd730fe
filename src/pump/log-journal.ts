// SPDX-License-Identifier: Apache-2.0
// Notes each change of a log's files where a successor and readers look for it: the position record on
// tmpfs first, which makes the change safe against SIGKILL, then the index beside the log.

import type {
  Change,
  Changed,
  Durability,
  FileOnDisk,
  FilePlace,
  IndexWriter,
  Interference,
  Journal,
  LogDirectory,
} from "../logfile/index.ts";
import type { Positions } from "./positions.ts";

export interface LogJournalOptions {
  readonly directory: LogDirectory;
  readonly positions: Positions;
  readonly index: IndexWriter;
  readonly durability: Durability;
  readonly onInterference: (interference: Interference) => void;
  readonly onLive: (live: FilePlace) => void;
}

export class LogJournal implements Journal {
  readonly #options: LogJournalOptions;

  constructor(options: LogJournalOptions) {
    this.#options = options;
  }

  /** The files are there and within their bound: the end of what opening them began. */
  opened(live: FileOnDisk, copies: number): void {
    const { positions, index } = this.#options;
    positions.changed(live);
    this.#tellLive(live);
    index.take(live, positions.record.base, copies);
    for (const { offset, bytes } of positions.foreign) index.mark("foreign", offset, bytes);
    this.#renamed();
  }

  begin(change: Change): void {
    const { positions, index } = this.#options;
    switch (change.kind) {
      case "shorten":
        index.trimming(change.live, change.limitBytes);
        break;
      case "rotate":
        positions.rotating(positions.endAt(change.live.sizeBytes));
        break;
      case "replace": {
        const { live, foreignBytes } = change;
        const end = positions.endAt(live.sizeBytes);
        positions.changing(end + foreignBytes, foreignBytes);
        if (foreignBytes > 0) index.mark("foreign", end, foreignBytes);
        break;
      }
    }
  }

  end(changed: Changed): void {
    const { positions, index } = this.#options;
    switch (changed.kind) {
      case "replaced": {
        const { live, copy, copies } = changed;
        positions.changed(live);
        this.#tellLive(live);
        const { base } = positions.record;
        if (copy === undefined) index.take(live, base, copies);
        else index.rotated(live, base, copy, copies);
        this.#renamed();
        break;
      }
      case "extended": {
        const { live, foreignBytes } = changed;
        positions.extended(foreignBytes);
        index.mark("foreign", positions.endAt(live.sizeBytes) - foreignBytes, foreignBytes);
        break;
      }
    }
  }

  renewed(): void {
    this.#options.index.moved();
  }

  interfered(interference: Interference): void {
    if (interference.what === "directory") this.#options.index.moved();
    this.#options.onInterference(interference);
  }

  #tellLive({ inode }: FileOnDisk): void {
    const { directory, onLive } = this.#options;
    onLive({ device: directory.device, inode });
  }

  #renamed(): void {
    const { durability, directory, index } = this.#options;
    durability.renamed({ directoryFd: directory.fd, name: index.name });
  }
}
