// SPDX-License-Identifier: Apache-2.0
// Collects FIFOs that no daemon will ever read: their toolstack died between mkfifo and its request.
// Only in the daemon's own directory, older than an hour, without a writer and without a request.

import { closeSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { Fifo, hasWriterOrBytes } from "../../fifo/index.ts";

/** Far longer than any toolstack takes from the FIFO to its request. */
const ageMsMin = 60 * 60 * 1000;

/** Removes the orphans; `named` are the FIFOs that requests are about. Returns what was removed. */
export function sweepFifos(
  directory: string,
  named: ReadonlySet<string>,
  nowMs: number,
): readonly string[] {
  return readdirSync(directory).filter((name) => {
    const path = join(directory, name);
    if (named.has(path)) return false;
    try {
      return nowMs - statSync(path).mtimeMs >= ageMsMin && removeIfUnused(directory, name);
    } catch {
      // Removed meanwhile, or not a FIFO that may be opened: left alone.
      return false;
    }
  });
}

function removeIfUnused(directory: string, name: string): boolean {
  const fifo = Fifo.find(directory, name);
  try {
    const fd = fifo.openForReading();
    try {
      if (hasWriterOrBytes(fd)) return false;
      fifo.unlink();
      return true;
    } finally {
      closeSync(fd);
    }
  } finally {
    fifo.close();
  }
}
