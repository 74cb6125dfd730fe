// SPDX-License-Identifier: Apache-2.0
// The stages of one pump: private pipes that bytes pass on their way from a FIFO to a log. The vault
// keeps them open too, so they outlive the pump. A stage belongs to one stream at a time, and no
// process but the pump that has it touches it.

import { closeSync, constants, fstatSync } from "node:fs";
import { bytesReadable, openPath, pipeSize, splice } from "../kernel/index.ts";
import { openStateFile } from "../program/index.ts";
import type { StageLocation } from "../vault/index.ts";
import { type Fill, type Intent, Notes, type OwnerNote } from "./note.ts";
import type { LogTarget } from "./record.ts";

export interface Stage {
  readonly index: number;
  readonly inode: number;
  readonly fd: number;
  readonly capacityBytes: number;
}

/** A stage as a pump finds it at its start: what it holds, and what its note says. */
export interface FoundStage {
  readonly stage: Stage;
  readonly bytes: number;
  /** May be the note of another stage, which is lost. */
  readonly note: OwnerNote | undefined;
  readonly fill: Fill;
}

/** What the note of a stage says, as this process has written it. */
interface Noted {
  readonly target: LogTarget;
  readonly intent: Intent;
}

/**
 * Stages that streams leave alone whose bytes go to a log. Without one no byte can be dropped, and each
 * stream whose log refuses bytes may hold another.
 */
const reservedForDrops = 1;

export class StagePool {
  readonly #notesFd: number;
  readonly #notes: Notes;
  readonly #stages: readonly Stage[];
  /** Empty stages, the one used longest ago first. */
  readonly #free: Stage[];
  readonly #noted: (Noted | undefined)[];

  private constructor(notesFd: number, stages: readonly Stage[]) {
    this.#notesFd = notesFd;
    this.#notes = new Notes(notesFd, stages.length);
    this.#stages = stages;
    this.#free = [...stages];
    this.#noted = stages.map(() => undefined);
  }

  /** Opens the vault's stages. Throws if one of them is not the pipe it should be. */
  static open(notesFile: string, locations: readonly StageLocation[]): StagePool {
    const notesFd = openStateFile(notesFile, "existingOrNew");
    return new StagePool(notesFd, locations.map(openStage));
  }

  /** What a predecessor has left; those that hold bytes are out of the pool until `give`. */
  findAll(): readonly FoundStage[] {
    return this.#stages.map((stage) => {
      const bytes = bytesReadable(stage.fd);
      if (bytes > 0) this.#free.splice(this.#free.indexOf(stage), 1);
      const note = this.#notes.read(stage.index);
      return { stage, bytes, note, fill: this.#notes.fill(stage.index) };
    });
  }

  /**
   * An empty stage with a note of what becomes of its bytes, `undefined` when all are in use. At most
   * `bytesMax` bytes are about to be taken; `totalBefore` as in `Fill`.
   */
  take(
    target: LogTarget,
    intent: Intent,
    totalBefore: number,
    bytesMax: number,
  ): Stage | undefined {
    if (intent.kind === "write" && !this.hasFree()) return undefined;
    const same = this.#free.findIndex(({ index }) => {
      const noted = this.#noted[index];
      return noted?.target === target && noted.intent === intent;
    });
    const [stage] = this.#free.splice(Math.max(same, 0), 1);
    if (stage === undefined) return undefined;
    if (same < 0) this.#write(stage, target, intent);
    const bytes = Math.min(bytesMax, stage.capacityBytes);
    this.#notes.setFill(stage.index, { kind: "taking", bytes, totalBefore });
    return stage;
  }

  /** So many bytes are in the stage now. */
  filled(stage: Stage, bytes: number): void {
    this.#notes.filled(stage.index, bytes);
  }

  /** A predecessor has left so many bytes in the stage. */
  holds(stage: Stage, bytes: number, totalBefore: number): void {
    this.#notes.setFill(stage.index, { kind: "filled", bytes, totalBefore });
  }

  /** The stream of the bytes in the stage has another bound now. */
  reconfigure(stage: Stage, target: LogTarget, intent: Intent): void {
    const fill = this.#notes.fill(stage.index);
    this.#notes.write(stage.index, stage.inode, target, intent);
    this.#notes.setFill(stage.index, fill);
    this.#noted[stage.index] = { target, intent };
  }

  /** The bytes in the stage become something else, see `take`. */
  intend(
    { stage, bytes }: { readonly stage: Stage; readonly bytes: number },
    target: LogTarget,
    intent: Intent,
    totalBefore: number,
  ): void {
    this.#notes.write(stage.index, stage.inode, target, intent);
    this.#notes.setFill(stage.index, { kind: "filled", bytes, totalBefore });
    this.#noted[stage.index] = { target, intent };
  }

  /** Forgets what the note of an empty stage says. */
  forget(stage: Stage): void {
    this.#notes.clear(stage.index);
    this.#noted[stage.index] = undefined;
  }

  #write(stage: Stage, target: LogTarget, intent: Intent): void {
    // Forgotten first: after a write that fails half-way the note's text is unknown.
    this.#noted[stage.index] = undefined;
    try {
      this.#notes.write(stage.index, stage.inode, target, intent);
    } catch (error) {
      this.#free.push(stage);
      throw error;
    }
    this.#noted[stage.index] = { target, intent };
  }

  /** Whether there is one for bytes on their way to a log. */
  hasFree(): boolean {
    return this.#free.length > Math.min(reservedForDrops, this.#stages.length - 1);
  }

  /** Gives an emptied stage back: its bytes are in the log or counted. */
  give(stage: Stage): void {
    this.emptied(stage);
    this.#free.push(stage);
  }

  /** The stage is empty; a successor has nothing to do for its note, whose bound may be outdated. */
  emptied(stage: Stage): void {
    this.#notes.setFill(stage.index, { kind: "empty" });
  }

  close(): void {
    for (const stage of this.#stages) closeSync(stage.fd);
    closeSync(this.#notesFd);
  }
}

/** throwAway(stage, bytes, nullFd) empties a stage that holds `bytes` into `/dev/null`. */
export function throwAway(stage: Stage, bytes: number, nullFd: number): void {
  if (bytes === 0) return;
  const moved = splice(stage.fd, nullFd, bytes);
  if (moved !== bytes) throw new Error(`throwing ${bytes} bytes away moved ${moved}`);
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
