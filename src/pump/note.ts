// SPDX-License-Identifier: Apache-2.0
// Owner notes: whose bytes a stage holds and what is to become of them. One page of a file on tmpfs
// for each stage, written while the stage is empty, so that whoever comes next can finish the work
// without xenstore. One write of one page is whole or absent after SIGKILL.

import { fstatSync, readSync, writeSync } from "node:fs";
import * as v from "valibot";
import { type LogTarget, logTargetSchema } from "./record.ts";

/** Room of one note: a page, the unit in which tmpfs copies. */
const noteBytes = 4096;

export interface OwnerNote {
  readonly version: 1;
  /** Inode of the stage: a note of an earlier pool is not about this one. */
  readonly stageInode: number;
  readonly target: LogTarget;
  readonly intent: { readonly kind: "write" };
}

const noteSchema: v.GenericSchema<unknown, OwnerNote> = v.object({
  version: v.literal(1),
  stageInode: v.number(),
  target: logTargetSchema,
  intent: v.object({ kind: v.literal("write") }),
});

/** Makes room for the notes now: a file system that is full later does not keep them from being written. */
export function reserveNotes(notesFd: number, count: number): void {
  const present = fstatSync(notesFd).size;
  for (let offset = present; offset < count * noteBytes; offset += noteBytes) {
    writeSync(notesFd, Buffer.alloc(noteBytes, "\n"), 0, noteBytes, offset);
  }
}

/** Writes the note of the stage at `index`. Throws RangeError if the paths are too long for it. */
export function writeNote(
  notesFd: number,
  index: number,
  stageInode: number,
  target: LogTarget,
): void {
  const note: OwnerNote = {
    version: 1,
    stageInode,
    target: v.parse(logTargetSchema, target),
    intent: { kind: "write" },
  };
  writeSync(notesFd, encodeNote(note), 0, noteBytes, index * noteBytes);
}

/** The note of the stage at `index`, `undefined` if there is none about this very stage. */
export function readNote(
  notesFd: number,
  index: number,
  stageInode: number,
): LogTarget | undefined {
  const page = Buffer.alloc(noteBytes);
  readSync(notesFd, page, 0, noteBytes, index * noteBytes);
  const note = decodeNote(page);
  return note?.stageInode === stageInode ? note.target : undefined;
}

/** A note as one page: JSON, filled up with newlines. */
export function encodeNote(note: OwnerNote): Buffer {
  const page = Buffer.alloc(noteBytes, "\n");
  const text = Buffer.from(JSON.stringify(note));
  if (text.length > noteBytes) {
    throw new RangeError(`the owner note takes ${text.length} bytes of at most ${noteBytes}`);
  }
  text.copy(page);
  return page;
}

export function decodeNote(page: Uint8Array): OwnerNote | undefined {
  try {
    return v.parse(noteSchema, JSON.parse(Buffer.from(page).toString("utf8")));
  } catch {
    return undefined;
  }
}
