// SPDX-License-Identifier: Apache-2.0
// The side file of a log: its index on disk, a dot file of 16 KiB beside it. Two slots are written in
// turn, each with a number and a checksum, so that after a crash or a power failure in one of
// them the other is whole. A lost side file costs positions, never bytes of the log.

import { constants, fstatSync, readSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import * as v from "valibot";
import { closeFile, openBeneath, renameAt, statAt, unlinkAt } from "../../kernel/index.ts";
import { type LogDirectory, LogfileError } from "../files/index.ts";
import { emptyIndex, type LogIndex, shrink } from "./log-index.ts";

const sideFileBytes = 16_384;

const slotBytes = sideFileBytes / 2;
/** `xenlogd-index 1 SEQUENCE BYTES CRC32`, then the JSON text. */
const headerPattern = /^xenlogd-index 1 (\d{1,15}) (\d{1,5}) ([0-9a-f]{8})\n/;
const mode = 0o600;

/** Name of the side file of a log. */
function sideFileName(live: string): string {
  return `.${live}.xenlogd`;
}

/** The log's directory, and its name there. */
type Place = Pick<LogDirectory, "fd" | "name">;

interface Slot {
  readonly sequence: number;
  readonly index: LogIndex;
}

export class SideFile {
  readonly #directory: Place;
  #sequence: number;

  private constructor(directory: Place, sequence: number) {
    this.#directory = directory;
    this.#sequence = sequence;
  }

  /** Reads it, or makes it. What cannot be understood is as good as missing. Throws KernelError or LogfileError. */
  static open(directory: Place): { readonly file: SideFile; readonly index: LogIndex } {
    const { fd } = openForWriting(directory);
    try {
      const { sequence, index } = newestSlot(fd) ?? { sequence: 0, index: emptyIndex };
      return { file: new SideFile(directory, sequence), index };
    } finally {
      closeFile(fd);
    }
  }

  /** Its name in the directory. */
  get name(): string {
    return sideFileName(this.#directory.name);
  }

  /** Opens it each time: it is written rarely, and there may be thousands. Throws as `open`. */
  write(index: LogIndex): void {
    this.#sequence += 1;
    const slot = encodeSlot({ sequence: this.#sequence, index });
    const offset = (this.#sequence % 2) * slotBytes;
    const { fd, names } = openForWriting(this.#directory);
    try {
      if (names === 1) writeAt(fd, slot, offset);
      else replace(this.#directory, slot, offset);
    } finally {
      closeFile(fd);
    }
  }
}

interface OpenSideFile {
  readonly fd: number;
  /** Its hard links: 2 where others have made one, for a backup. */
  readonly names: number;
}

function openForWriting({ fd: directoryFd, name: live }: Place): OpenSideFile {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY;
  const fd = openBeneath(directoryFd, sideFileName(live), flags, mode);
  const stat = fstatSync(fd);
  if (stat.isFile() && (stat.nlink === 1 || isOurs(fd))) return { fd, names: stat.nlink };
  closeFile(fd);
  throw new LogfileError("sideFile", live);
}

/** A file of others under our name, with a link elsewhere, is neither written nor replaced. */
function isOurs(fd: number): boolean {
  return newestSlot(fd) !== undefined;
}

/** Puts a new file in the place of one that others have under another name: theirs stays as it is. */
function replace({ fd: directoryFd, name: live }: Place, slot: Buffer, offset: number): void {
  const name = sideFileName(live);
  const temporary = `${name}.new`;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
  // One is there already if a pump was killed here.
  if (statAt(directoryFd, temporary) !== undefined) unlinkAt(directoryFd, temporary);
  const fd = openBeneath(directoryFd, temporary, flags, mode);
  try {
    writeAt(fd, slot, offset);
  } finally {
    closeFile(fd);
  }
  renameAt(directoryFd, temporary, name);
}

function writeAt(fd: number, slot: Buffer, offset: number): void {
  for (let done = 0; done < slotBytes; ) {
    done += writeSync(fd, slot, done, slotBytes - done, offset + done);
  }
}

/** The index of a log for a reader, `undefined` without one. */
export function readIndex(directoryFd: number, live: string): LogIndex | undefined {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
  const fd = openBeneath(directoryFd, sideFileName(live), flags);
  try {
    return fstatSync(fd).isFile() ? newestSlot(fd)?.index : undefined;
  } finally {
    closeFile(fd);
  }
}

function newestSlot(fd: number): Slot | undefined {
  const bytes = Buffer.alloc(sideFileBytes);
  const length = readSync(fd, bytes, 0, sideFileBytes, 0);
  const slots = [0, slotBytes]
    .map((start) => decodeSlot(bytes.subarray(start, Math.min(start + slotBytes, length))))
    .filter((slot) => slot !== undefined);
  return slots.sort((a, b) => b.sequence - a.sequence)[0];
}

export function encodeSlot({ sequence, index }: Slot): Buffer {
  for (let fitting = index; ; fitting = shrink(fitting)) {
    const text = Buffer.from(JSON.stringify(toTuples(fitting)));
    const checksum = crc32(text).toString(16).padStart(8, "0");
    const header = `xenlogd-index 1 ${sequence} ${text.length} ${checksum}\n`;
    if (header.length + text.length > slotBytes) continue;
    const slot = Buffer.alloc(slotBytes, "\n");
    text.copy(slot, slot.write(header));
    return slot;
  }
}

export function decodeSlot(bytes: Uint8Array): Slot | undefined {
  const slot = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = headerPattern.exec(slot.toString("latin1", 0, 64));
  if (header === null) return undefined;
  const [line, sequence, length, checksum] = header;
  const text = slot.subarray(line.length, line.length + Number(length));
  if (text.length !== Number(length) || crc32(text) !== Number.parseInt(checksum ?? "", 16)) {
    return undefined;
  }
  try {
    const tuples = v.parse(tuplesSchema, JSON.parse(text.toString("utf8")));
    return { sequence: Number(sequence), index: fromTuples(tuples) };
  } catch {
    return undefined;
  }
}

// Names of fields would take half the room.
interface Tuples {
  readonly epochs: readonly (readonly [string, number])[];
  readonly files: readonly (readonly [number, number, number, number])[];
  readonly ranges: readonly (readonly [number, number, "marker" | "foreign"])[];
  readonly times: readonly (readonly [number, number])[];
  readonly ends: readonly (readonly [number, number])[];
}

const tuplesSchema: v.GenericSchema<unknown, Tuples> = v.object({
  epochs: v.array(v.tuple([v.string(), v.number()])),
  files: v.array(v.tuple([v.number(), v.number(), v.number(), v.number()])),
  ranges: v.array(v.tuple([v.number(), v.number(), v.picklist(["marker", "foreign"])])),
  times: v.array(v.tuple([v.number(), v.number()])),
  ends: v.array(v.tuple([v.number(), v.number()])),
});

function toTuples({ epochs, files, ranges, times, ends }: LogIndex): Tuples {
  return {
    epochs: epochs.map(({ epoch, start }) => [epoch, start]),
    files: files.map(({ inode, bornMs, base, sizeBytes }) => [inode, bornMs, base, sizeBytes]),
    ranges: ranges.map(({ start, bytes, kind }) => [start, bytes, kind]),
    times: times.map(({ offset, atMs }) => [offset, atMs]),
    ends: ends.map(({ copy, end }) => [copy, end]),
  };
}

function fromTuples({ epochs, files, ranges, times, ends }: Tuples): LogIndex {
  return {
    epochs: epochs.map(([epoch, start]) => ({ epoch, start })),
    files: files.map(([inode, bornMs, base, sizeBytes]) => ({ inode, bornMs, base, sizeBytes })),
    ranges: ranges.map(([start, bytes, kind]) => ({ start, bytes, kind })),
    times: times.map(([offset, atMs]) => ({ offset, atMs })),
    ends: ends.map(([copy, end]) => ({ copy, end })),
  };
}
