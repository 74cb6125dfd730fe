// SPDX-License-Identifier: Apache-2.0
// The files of a log as they are on disk now.

import type { Stats } from "node:fs";
import { statAt } from "../../kernel/index.ts";
import { chainName } from "./chain.ts";
import type { LogDirectory } from "./directory.ts";

/** A file as the kernel knows it. */
export interface FileOnDisk {
  readonly inode: number;
  /** Birth time in ms; it distinguishes a file from a later one with the same inode. */
  readonly bornMs: number;
  readonly sizeBytes: number;
}

export interface CopyOnDisk extends FileOnDisk {
  /** 1 is the newest copy. */
  readonly index: number;
}

export function fileOf({ ino, birthtimeMs, size }: Stats): FileOnDisk {
  return { inode: ino, bornMs: birthtimeMs, sizeBytes: size };
}

/** The live file, `undefined` if it is not there or is no file. */
export function findLive({ fd, name }: LogDirectory): FileOnDisk | undefined {
  const stat = statAt(fd, name);
  return stat?.isFile() === true ? fileOf(stat) : undefined;
}

/**
 * The copies, newest first. One hole is what an interrupted rotation leaves; two names in a row
 * without a file are the end.
 */
export function findCopies({ fd, name }: LogDirectory): readonly CopyOnDisk[] {
  const copies: CopyOnDisk[] = [];
  let missing = 0;
  for (let index = 1; missing < 2; index += 1) {
    const stat = statAt(fd, chainName(name, index));
    if (stat?.isFile() === true) copies.push({ ...fileOf(stat), index });
    else missing += 1;
  }
  return copies;
}
