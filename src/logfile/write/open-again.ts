// SPDX-License-Identifier: Apache-2.0
// The live file after an error: its FUSE server was killed, its disk went away. It is opened anew where
// its path leads now, and its bytes go on where they ended.

import type { FileOnDisk, LogDirectory } from "../files/index.ts";
import { LiveFile } from "./live-file.ts";

/** Whether these bytes, at most 4096, are the next ones to be written. */
export type AreNext = (bytes: Buffer) => boolean;

/** `live` is the file as it is known. */
export interface Unreachable {
  readonly kind: "unreachable";
  readonly live: FileOnDisk;
  readonly areNext: AreNext;
}

const compareBytesMax = 4096;

/**
 * `undefined` if the name has another file now. Throws LogfileError or KernelError while the file cannot
 * be opened.
 */
export function openAgain(
  directory: LogDirectory,
  { live: before, areNext }: Unreachable,
): LiveFile | undefined {
  directory.renew();
  const live = LiveFile.open(directory, before);
  try {
    const excess = live.sizeBytes - before.sizeBytes;
    // The server may have written bytes and died before it reported them.
    if (excess > 0 && areNext(live.read(before.sizeBytes, Math.min(excess, compareBytesMax)))) {
      live.cutBack(before.sizeBytes);
    }
    // A server that is started again may number its files anew.
    if (live.inode === before.inode || live.sizeBytes === before.sizeBytes) return live;
  } catch (error) {
    live.close();
    throw error;
  }
  live.close();
  return undefined;
}
