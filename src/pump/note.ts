// SPDX-License-Identifier: Apache-2.0
// Owner notes: whose bytes a stage holds and where they go. One page of a file on tmpfs per stage.
// The text is written while the stage is empty, so a successor can finish without xenstore; one write
// within a page is whole or absent after SIGKILL. The last bytes of a page are shared memory: how much
// the stage was given and what came before, so that the exact number of lost bytes can be reported.

import { closeSync, fstatSync, readSync, writeSync } from "node:fs";
import * as v from "valibot";
import { mapShared } from "../kernel/index.ts";
import { openStateFile } from "../program/index.ts";
import { type LogTarget, logTargetSchema } from "./record.ts";

/** Room of one note: a page, the unit in which tmpfs copies. */
const noteBytes = 4096;
/** Of that, for the text. */
const textBytes = 4032;

/** What becomes of a stage's bytes: they go into the log, or are dropped for a reason. */
export type Intent =
  | { readonly kind: "write" }
  | { readonly kind: "discard"; readonly reason: string };

export interface OwnerNote {
  readonly version: 2;
  /** Inode of the stage: a note of an earlier pool is not about this one. */
  readonly stageInode: number;
  readonly target: LogTarget;
  readonly intent: Intent;
}

const noteSchema: v.GenericSchema<unknown, OwnerNote> = v.object({
  version: v.literal(2),
  stageInode: v.number(),
  target: logTargetSchema,
  intent: v.variant("kind", [
    v.object({ kind: v.literal("write") }),
    v.object({ kind: v.literal("discard"), reason: v.string() }),
  ]),
});

/** What is known of a stage's content. */
export type Fill =
  | { readonly kind: "empty" }
  /** Bytes were being taken: none yet, or up to `bytes`. */
  | { readonly kind: "taking"; readonly bytes: number; readonly totalBefore: number }
  /**
   * `bytes` were taken; `totalBefore` is what came to the log before them, or was dropped for the
   * note's reason.
   */
  | { readonly kind: "filled"; readonly bytes: number; readonly totalBefore: number };

const fillKinds = ["empty", "taking", "filled"] as const;

/** The notes of one pump. */
export class Notes {
  readonly #fd: number;
  readonly #memory: DataView;

  /** Makes room for them now, since the file system may be full later. */
  constructor(fd: number, count: number) {
    this.#fd = fd;
    for (let offset = fstatSync(fd).size; offset < count * noteBytes; offset += noteBytes) {
      writeSync(fd, Buffer.alloc(noteBytes), 0, noteBytes, offset);
    }
    this.#memory = mapShared(fd, count * noteBytes);
  }

  /** Writes the note of the stage at `index`. Throws RangeError if the paths are too long for it. */
  write(index: number, stageInode: number, target: LogTarget, intent: Intent): void {
    const note: OwnerNote = {
      version: 2,
      stageInode,
      target: v.parse(logTargetSchema, target),
      intent,
    };
    this.setFill(index, { kind: "empty" });
    writeSync(this.#fd, encodeNote(note), 0, textBytes, index * noteBytes);
  }

  /** The note at `index`; compare its inode with the stage's. */
  read(index: number): OwnerNote | undefined {
    const text = Buffer.alloc(textBytes);
    readSync(this.#fd, text, 0, textBytes, index * noteBytes);
    return decodeNote(text);
  }

  /** Removes the note at `index`. */
  clear(index: number): void {
    writeSync(this.#fd, Buffer.alloc(textBytes), 0, textBytes, index * noteBytes);
    this.setFill(index, { kind: "empty" });
  }

  /** `kind` is cleared first and set last: a crash in between leaves a valid record. */
  setFill(index: number, fill: Fill): void {
    const offset = index * noteBytes + textBytes;
    this.#memory.setFloat64(offset, 0);
    if (fill.kind === "empty") return;
    this.#memory.setFloat64(offset + 8, fill.bytes);
    this.#memory.setFloat64(offset + 16, fill.totalBefore);
    this.#memory.setFloat64(offset, fillKinds.indexOf(fill.kind));
  }

  /** The bytes that were being taken are in the stage: from "taking" to "filled". */
  filled(index: number, bytes: number): void {
    const offset = index * noteBytes + textBytes;
    this.#memory.setFloat64(offset + 8, bytes);
    this.#memory.setFloat64(offset, fillKinds.indexOf("filled"));
  }

  fill(index: number): Fill {
    const offset = index * noteBytes + textBytes;
    const kind = fillKinds[this.#memory.getFloat64(offset)] ?? "empty";
    if (kind === "empty") return { kind };
    return {
      kind,
      bytes: this.#memory.getFloat64(offset + 8),
      totalBefore: this.#memory.getFloat64(offset + 16),
    };
  }
}

/** Whether no note of the file says that its stage has, or had, bytes that are not accounted for. */
export function areSettled(path: string): boolean {
  const fd = openStateFile(path, "existing");
  try {
    const kind = Buffer.alloc(8);
    for (let offset = textBytes; readSync(fd, kind, 0, 8, offset) === 8; offset += noteBytes) {
      if (kind.readDoubleBE(0) !== fillKinds.indexOf("empty")) return false;
    }
    return true;
  } finally {
    closeSync(fd);
  }
}

/** A note as text that fills its room: JSON, filled up with newlines. */
export function encodeNote(note: OwnerNote): Buffer {
  const room = Buffer.alloc(textBytes, "\n");
  const text = Buffer.from(JSON.stringify(note));
  if (text.length > textBytes) {
    throw new RangeError(`the owner note takes ${text.length} bytes of at most ${textBytes}`);
  }
  text.copy(room);
  return room;
}

export function decodeNote(text: Uint8Array): OwnerNote | undefined {
  try {
    return v.parse(noteSchema, JSON.parse(Buffer.from(text).toString("utf8")));
  } catch {
    return undefined;
  }
}
