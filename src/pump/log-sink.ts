// SPDX-License-Identifier: Apache-2.0
// Where a stream's bytes end: its rotating file, and the record of its positions that goes with it.

import { errnoNameOf } from "../kernel/index.ts";
import { type Appended, RotatingFile } from "../logfile/index.ts";
import type { StreamReport } from "./messages.ts";
import { Positions } from "./positions.ts";
import type { LogTarget } from "./record.ts";

/** What the sink knows of its stream. */
type SinkReport = Omit<StreamReport, "epoch" | "state" | "lastWriteAt">;

export class LogSink {
  readonly #file: RotatingFile;
  readonly #positions: Positions;
  #lastCopiesBytes = 0;

  /** Throws LogfileError. */
  constructor(target: LogTarget, positionsDirectory: string) {
    this.#file = RotatingFile.open({
      root: target.logRoot,
      relativePath: target.relativeFile,
      limitBytes: target.limitBytes,
      copies: target.copies,
      onRotating: (live) => this.#positions.rotating(live),
      onRotated: (live) => this.#positions.rotated(live),
    });
    try {
      this.#positions = Positions.open(`${positionsDirectory}/${target.epoch}`, this.#file.live);
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  append(pipeFd: number, bytes: number): Appended {
    return this.#file.append(pipeFd, bytes);
  }

  /** Counts bytes that were thrown away because another stream owns the file now. */
  dropSuperseded(bytes: number): void {
    this.#positions.dropped(bytes);
  }

  report(): SinkReport {
    const live = this.#file.live.sizeBytes;
    const copies = this.#copiesBytes();
    const { oldest, end, rotations, droppedBytes } = this.#positions.of(live, copies);
    return {
      offset: end,
      oldestOffset: oldest,
      sizeBytes: copies + live,
      rotations,
      writtenBytes: end,
      droppedBytes: droppedBytes === 0 ? {} : { superseded: droppedBytes },
    };
  }

  /** A directory that cannot be looked at is no reason to stop logging: what was seen last counts. */
  #copiesBytes(): number {
    try {
      this.#lastCopiesBytes = this.#file.copySizes().reduce((sum, size) => sum + size, 0);
    } catch (error) {
      if (errnoNameOf(error) === undefined) throw error;
    }
    return this.#lastCopiesBytes;
  }

  close(): void {
    this.#file.close();
    this.#positions.close();
  }
}
