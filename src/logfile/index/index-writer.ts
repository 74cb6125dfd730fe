// SPDX-License-Identifier: Apache-2.0
// Writes the index of one log while its stream writes the log. The live file's entry is in the side
// file before the file has bytes, so every byte can be read by its position. An index that cannot be
// written stops no log; readers recognise an outdated one by the files.

import { errnoNameOf } from "../../kernel/index.ts";
import { type FileOnDisk, findCopies, type LogDirectory, LogfileError } from "../files/index.ts";
import {
  addEpoch,
  addRange,
  addTime,
  beforeTrim,
  emptyIndex,
  knownEnd,
  type LogIndex,
  placeFiles,
  placeLive,
  type RangeKind,
  rotateFiles,
  withFiles,
} from "./log-index.ts";
import { SideFile } from "./side-file.ts";

/** Times in the index are no closer than this. */
const timeIntervalMs = 1000;
/** A log that is written to has its newest time on disk after this; a rotation writes it at once. */
const writeIntervalMs = 10_000;

/** For files without an index that are shortened: a successor cannot know their positions either. */
const withoutPlaces: LogIndex = { ...emptyIndex, ends: [{ copy: 0, end: 0 }] };

export class IndexWriter {
  readonly #directory: LogDirectory;
  readonly #epoch: string;
  #side: SideFile | undefined;
  #index: LogIndex = emptyIndex;
  #epochStart = 0;
  /** Whether an index that knows nothing may take the copies for one piece of the log. */
  #copiesLie: "in a row" | "apart" = "in a row";
  #timedAtMs = 0;
  #writtenAtMs = 0;

  constructor(directory: LogDirectory, epoch: string) {
    this.#directory = directory;
    this.#epoch = epoch;
    this.#openSide();
  }

  /**
   * Takes the files as they are: `liveBase` is the epoch's offset at which the live file begins,
   * negative where it is older than the epoch.
   */
  take(live: FileOnDisk, liveBase: number, copies: number): void {
    const known = this.#index.epochs.find(({ epoch }) => epoch === this.#epoch);
    const older = findCopies(this.#directory).filter(
      ({ index }) => index <= copies && this.#copiesLie === "in a row",
    );
    this.#copiesLie = "in a row";
    if (known === undefined) {
      this.#beginEpoch([live, ...older], liveBase);
    } else {
      this.#epochStart = known.start;
    }
    const files = placeFiles(live, older, this.#epochStart + liveBase, this.#index);
    this.#index = withFiles(this.#index, files);
    this.#write();
  }

  /** Files are about to be shortened: their ends stay where they are. */
  trimming(live: FileOnDisk | undefined, limitBytes: number): void {
    const copies = findCopies(this.#directory);
    const files = live === undefined ? copies : [live, ...copies];
    if (files.every(({ sizeBytes }) => sizeBytes <= limitBytes)) return;
    const isNew = this.#index.files.length === 0;
    if (isNew) this.#copiesLie = "apart";
    this.#index = isNew ? withoutPlaces : beforeTrim(this.#index, live, copies);
    this.#write();
  }

  /** The live file has become `copy`, and `live` has come. */
  rotated(live: FileOnDisk, liveBase: number, copy: FileOnDisk, copies: number): void {
    const [last, ...older] = this.#index.files;
    const { inode, bornMs, sizeBytes } = live;
    const entry = { inode, bornMs, sizeBytes, base: this.#epochStart + liveBase };
    if (last?.inode !== copy.inode || last.bornMs !== copy.bornMs) {
      this.take(live, liveBase, copies);
      return;
    }
    const finished = { ...last, sizeBytes: copy.sizeBytes };
    const files = rotateFiles([finished, ...older], entry, copies);
    this.#index = withFiles(this.#index, files);
    this.#note(entry.base);
    this.#write();
  }

  /** These bytes at an offset of the epoch did not come from the FIFO. */
  mark(kind: RangeKind, offset: number, bytes: number): void {
    this.#index = addRange(this.#index, { start: this.#epochStart + offset, bytes, kind });
    this.#write();
  }

  /** The epoch ends at `offset` now. */
  grown(offset: number): void {
    const now = Date.now();
    if (now - this.#timedAtMs < timeIntervalMs) return;
    this.#note(this.#epochStart + offset);
    if (now - this.#writtenAtMs >= writeIntervalMs) this.#write();
  }

  /** The directory is another one now, or was opened anew. */
  moved(): void {
    this.leave();
    const index = this.#index;
    this.#openSide();
    this.#index = index;
  }

  /** Name of the side file, for fsync; none if it cannot be written. */
  get name(): string | undefined {
    return this.#side?.name;
  }

  /** Writes no more: the file is another stream's, or was not opened. */
  leave(): void {
    this.#side = undefined;
  }

  close(live: FileOnDisk | undefined): void {
    const [first, ...older] = this.#index.files;
    if (first !== undefined && live?.inode === first.inode) {
      const files = [{ ...first, sizeBytes: live.sizeBytes }, ...older];
      this.#index = withFiles(this.#index, files);
      this.#write();
    }
    this.leave();
  }

  /** Where a new epoch begins in a log that exists, as far as anything says where that was. */
  #beginEpoch(files: readonly FileOnDisk[], liveBase: number): void {
    const place = placeLive(files, this.#index);
    if (place === undefined) {
      this.#index = emptyIndex;
      const older = files.slice(1).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      this.#epochStart = older - liveBase;
    } else {
      // What the index knows is of former epochs, also where files of this one are gone.
      this.#epochStart = Math.max(place - liveBase, knownEnd(this.#index));
    }
    this.#index = addEpoch(this.#index, { epoch: this.#epoch, start: this.#epochStart });
    this.#note(this.#epochStart);
  }

  #note(offset: number): void {
    const now = Date.now();
    // A clock that was set back is still host time; only offsets are in order.
    this.#timedAtMs = now;
    this.#index = addTime(this.#index, { offset, atMs: now });
  }

  #openSide(): void {
    try {
      const { file, index } = SideFile.open(this.#directory);
      this.#side = file;
      this.#index = index;
      if (index.files.length === 0 && index.ends.length > 0) this.#copiesLie = "apart";
    } catch (error) {
      if (!(error instanceof LogfileError) && errnoNameOf(error) === undefined) throw error;
    }
  }

  #write(): void {
    this.#writtenAtMs = Date.now();
    if (this.#side === undefined) return;
    try {
      this.#side.write(this.#index);
    } catch (error) {
      if (!(error instanceof LogfileError) && errnoNameOf(error) === undefined) throw error;
    }
  }
}
