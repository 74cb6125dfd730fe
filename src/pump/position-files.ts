// SPDX-License-Identifier: Apache-2.0
// The position records by file: whether a stream has one, and what it says, without keeping it open.

import { closeSync, existsSync } from "node:fs";
import type { FileIdentity } from "../logfile/index.ts";
import { openStateFile } from "../program/index.ts";
import { readRecord, readWritten, writeWritten } from "./position-page.ts";
import { Positions } from "./positions.ts";
import type { LogTarget } from "./record.ts";

/** Where the record of a stream is. */
export function positionsPath(positionsDirectory: string, { epoch }: LogTarget): string {
  return `${positionsDirectory}/${epoch}`;
}

/** Whether there is a record: without it there is no such stream, or no more. */
export function isKnown(positionsDirectory: string, target: LogTarget): boolean {
  return existsSync(positionsPath(positionsDirectory, target));
}

/** Whether the stream has handed over its file. */
export function isSuperseded(positionsDirectory: string, target: LogTarget): boolean {
  const positions = Positions.openSuperseded(positionsPath(positionsDirectory, target));
  positions?.close();
  return positions !== undefined;
}

/** What came to the log of the bytes that writers sent: as noted, whatever its files are. */
export function writtenBytesOf(positionsDirectory: string, target: LogTarget): number {
  return withRecord(positionsDirectory, target, readWritten) ?? 0;
}

/** The live file of a stream that was served. */
export function liveFileOf(
  positionsDirectory: string,
  target: LogTarget,
): FileIdentity | undefined {
  return withRecord(positionsDirectory, target, readRecord);
}

/** Notes it for a pump that was killed before it could. */
export function noteWritten(positionsDirectory: string, target: LogTarget, bytes: number): void {
  withRecord(positionsDirectory, target, (fd) => writeWritten(fd, bytes));
}

function withRecord<T>(
  positionsDirectory: string,
  target: LogTarget,
  use: (fd: number) => T,
): T | undefined {
  if (!isKnown(positionsDirectory, target)) return undefined;
  const fd = openStateFile(positionsPath(positionsDirectory, target), "existing");
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}
