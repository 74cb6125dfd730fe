// SPDX-License-Identifier: Apache-2.0
// The files of a log as they are on disk now, looked at without being opened.

import type { Stats } from "node:fs";
import { statAt } from "../../kernel/index.ts";
import { chainIndex, chainName } from "./chain.ts";
import { type FileIdentity, LogDirectory, statLog } from "./directory.ts";
import { LogfileError, refusalOf } from "./errors.ts";
import { listChainNames, temporaryOf } from "./listing.ts";
import type { OpenDirectories } from "./open-directory.ts";

/** A log's directory and its name there. */
type Place = Pick<LogDirectory, "fd" | "name">;

export interface FileOnDisk extends FileIdentity {
  readonly sizeBytes: number;
}

export interface CopyOnDisk extends FileOnDisk {
  /** 1 is the newest copy. */
  readonly index: number;
}

export function fileOf({ ino, birthtimeMs, size }: Stats): FileOnDisk {
  return { inode: ino, bornMs: birthtimeMs, sizeBytes: size };
}

/** A name of the chain that is there, whatever it is. */
export interface ChainEntry {
  readonly name: string;
  /** 0 is the live file. */
  readonly index: number;
  readonly stat: Stats;
}

/**
 * What is under the names of the chain, oldest first. Copies that neither the directory's listing has nor lie in a
 * row with the others are not found: see `listChainNames`.
 */
export function findChain({ fd, name: live }: Place): readonly ChainEntry[] {
  const found = new Map<number, ChainEntry>();
  const look = (index: number): "there" | "missing" => {
    const name = chainName(live, index);
    const stat = found.has(index) ? undefined : statAt(fd, name);
    if (stat !== undefined) found.set(index, { name, index, stat });
    return found.has(index) ? "there" : "missing";
  };
  look(0);
  for (let index = 1, missing = 0; missing < 2; index += 1) {
    if (look(index) === "missing") missing += 1;
  }
  for (const name of listChainNames(fd)) {
    const index = chainIndex(live, name);
    if (index !== undefined) look(index);
  }
  return [...found.values()].sort((a, b) => b.index - a.index);
}

/** Temporary files of the chain, which only an interruption leaves. */
export function findTemporaries({ fd, name: live }: Place): readonly string[] {
  return listChainNames(fd).filter((name) => {
    const shortened = temporaryOf(name);
    if (shortened === undefined || chainIndex(live, shortened) === undefined) return false;
    return statAt(fd, name)?.isFile() === true;
  });
}

/**
 * The live file, `undefined` if there is none yet. Throws a LogfileError if it is none that may be opened, or if a
 * copy that would be renamed, shortened or removed is not a regular file of the log's own.
 */
export function inspectChain(place: Place, copies: number): FileOnDisk | undefined {
  const live = inspectLive(place, undefined);
  for (const { name, index, stat } of findChain(place)) {
    if (index === 0) continue;
    // What is no file is never removed, and no rotation comes above `copies`.
    if (!stat.isFile() && index <= copies) throw new LogfileError("copyNotRegular", name);
    if (stat.isFile() && stat.nlink !== 1) throw new LogfileError("copyLinked", name);
  }
  return live;
}

/** As `inspectChain`, without a look at the copies. The file that is `own` may have other names as well. */
export function inspectLive(
  { fd, name }: Place,
  own: FileIdentity | undefined,
): FileOnDisk | undefined {
  const stat = statLog(fd, name, own);
  return stat === undefined ? undefined : fileOf(stat);
}

/** The live file, `undefined` if it is not there or is no file. */
export function findLive({ fd, name }: LogDirectory): FileOnDisk | undefined {
  const stat = statAt(fd, name);
  return stat?.isFile() === true ? fileOf(stat) : undefined;
}

/** A file wherever its path goes through, such as a bind mount, and whatever it is called. */
export interface FilePlace {
  readonly device: number;
  readonly inode: number;
}

/** What a log's path leads to now; `undefined` without a file there, or while it cannot be looked at. */
export function findPlace(
  root: string,
  relativePath: string,
  directories: OpenDirectories,
): FilePlace | undefined {
  let directory: LogDirectory | undefined;
  try {
    directory = LogDirectory.open(root, relativePath, directories);
    const stat = statAt(directory.fd, directory.name);
    return stat?.isFile() === true ? { device: stat.dev, inode: stat.ino } : undefined;
  } catch (error) {
    refusalOf(error);
    return undefined;
  } finally {
    directory?.close();
  }
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
