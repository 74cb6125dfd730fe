// SPDX-License-Identifier: Apache-2.0
// The file of a position record, within one page: SIGKILL tears no write of it.

import { readSync, writeSync } from "node:fs";
import * as v from "valibot";
import { type PositionRecord, recordSchema } from "./position-record.ts";

/** Room of a record; it is written whole, in one call, within one page. */
const recordBytes = 2048;
/** Behind it: what writers sent that came to the log, noted after each move. */
const writtenTextAt = recordBytes;
const writtenTextBytes = 20;

/** Undefined if there is none, or a damaged one. */
export function readRecord(fd: number): PositionRecord | undefined {
  const page = Buffer.alloc(recordBytes);
  const length = readSync(fd, page, 0, recordBytes, 0);
  try {
    return v.parse(recordSchema, JSON.parse(page.toString("utf8", 0, length)));
  } catch {
    return undefined;
  }
}

/** What writers sent that came to the log; 0 if nothing is noted. */
export function readWritten(fd: number): number {
  const text = Buffer.alloc(writtenTextBytes);
  const length = readSync(fd, text, 0, writtenTextBytes, writtenTextAt);
  return Number(text.toString("latin1", 0, length));
}

export function writeWritten(fd: number, writtenBytes: number): void {
  writeSync(fd, `${writtenBytes}`.padEnd(writtenTextBytes), writtenTextAt, "latin1");
}

/** Throws RangeError if there is no room for it. */
export function writeRecord(fd: number, record: PositionRecord): void {
  const page = Buffer.alloc(recordBytes, "\n");
  const text = Buffer.from(JSON.stringify(record));
  if (text.length > recordBytes) throw new RangeError(`a record of ${text.length} bytes`);
  text.copy(page);
  writeSync(fd, page, 0, recordBytes, 0);
}
