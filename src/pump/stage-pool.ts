// SPDX-License-Identifier: Apache-2.0
// The stages of one pump: private pipes that bytes pass on their way from a FIFO to a log, kept open
// by the holder as well, so that they outlive the pump. A stage belongs to one stream at a time, and
// nobody but the pump that has them touches them.

import { closeSync, constants, fstatSync } from "node:fs";
import { bytesReadable, openPath, pipeSize } from "../kernel/index.ts";
import type { StageLocation } from "./messages.ts";
import { readNote, reserveNotes, writeNote } from "./note.ts";
import type { LogTarget } from "./record.ts";

export interface Stage {
  readonly index: number;
  readonly inode: number;
  readonly fd: number;
  readonly capacityBytes: number;
}

/** A stage that holds bytes, and whose they are. */
export interface FilledStage {
  readonly stage: Stage;
  readonly bytes: number;
  readonly target: LogTarget | undefined;
}

export class StagePool {
  readonly #notesFd: number;
  readonly #stages: readonly Stage[];
  /** Empty stages, the one used longest ago first. */
  readonly #free: Stage[];
  /** Epoch in the note of each stage. */
  readonly #noted: (string | undefined)[];

  private constructor(notesFd: number, stages: readonly Stage[]) {
    this.#notesFd = notesFd;
    this.#stages = stages;
    this.#free = [...stages];
    this.#noted = stages.map(() => undefined);
  }

  /** Opens the holder's stages. Throws if one of them is not the pipe it should be. */
  static open(notesFile: string, locations: readonly StageLocation[]): StagePool {
    const notesFd = openPath(notesFile, constants.O_RDWR | constants.O_CREAT, 0o600);
    reserveNotes(notesFd, locations.length);
    return new StagePool(notesFd, locations.map(openStage));
  }

  /** Takes the stages that hold bytes out of the pool; `give` or `discard` brings them back. */
  takeFilled(): readonly FilledStage[] {
    const filled: FilledStage[] = [];
    for (const stage of this.#stages) {
      const bytes = bytesReadable(stage.fd);
      if (bytes === 0) continue;
      this.#free.splice(this.#free.indexOf(stage), 1);
      const target = readNote(this.#notesFd, stage.index, stage.inode);
      this.#noted[stage.index] = target?.epoch;
      filled.push({ stage, bytes, target });
    }
    return filled;
  }

  /** An empty stage with a note that it is this stream's, `undefined` when all are in use. */
  take(target: LogTarget): Stage | undefined {
    const same = this.#free.findIndex((stage) => this.#noted[stage.index] === target.epoch);
    const [stage] = this.#free.splice(Math.max(same, 0), 1);
    if (stage === undefined || same >= 0) return stage;
    // Forgotten first: a write that fails half-way leaves no note that anybody may rely on.
    this.#noted[stage.index] = undefined;
    try {
      writeNote(this.#notesFd, stage.index, stage.inode, target);
    } catch (error) {
      this.#free.push(stage);
      throw error;
    }
    this.#noted[stage.index] = target.epoch;
    return stage;
  }

  /** The stages' descriptors, in their order. */
  get fds(): readonly number[] {
    return this.#stages.map((stage) => stage.fd);
  }

  hasFree(): boolean {
    return this.#free.length > 0;
  }

  /** Gives an emptied stage back. */
  give(stage: Stage): void {
    this.#free.push(stage);
  }

  close(): void {
    for (const stage of this.#stages) closeSync(stage.fd);
    closeSync(this.#notesFd);
  }
}

function openStage(location: StageLocation, index: number): Stage {
  const fd = openPath(location.path, constants.O_RDWR | constants.O_NONBLOCK);
  const stat = fstatSync(fd);
  if (!stat.isFIFO() || stat.ino !== location.inode) {
    closeSync(fd);
    throw new Error(`${location.path} is not the stage with inode ${location.inode}`);
  }
  return { index, inode: location.inode, fd, capacityBytes: pipeSize(fd) };
}
