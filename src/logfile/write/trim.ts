// SPDX-License-Identifier: Apache-2.0
// Brings files that exist already under the bound limit × (copies + 1): a limit or a number of copies
// that was lowered, or a file that others wrote. The newest bytes are kept.

import { closeSync, constants, fstatSync, readSync, writeSync } from "node:fs";
import { errnoNameOf, openBeneath, renameAt, unlinkAt } from "../../kernel/index.ts";
import {
  findChain,
  findTemporaries,
  type LogDirectory,
  LogfileError,
  temporaryName,
} from "../files/index.ts";
import { cutWindowBytes } from "./cut.ts";

const copyBytes = 1 << 20;

/** A file of the log. */
interface ChainFile {
  readonly name: string;
  /** 0 is the live file, 1 the newest copy. */
  readonly index: number;
  readonly sizeBytes: number;
}

export interface TrimStep {
  readonly kind: "remove" | "shorten";
  readonly name: string;
}

export interface TrimBound {
  readonly limitBytes: number;
  readonly copies: number;
  readonly allowedBytes: number;
}

export interface TrimOptions extends TrimBound {
  readonly directory: Pick<LogDirectory, "fd" | "name">;
  /** Gets the shortened file before it is renamed to the name of the old one. */
  readonly onShortened: (fd: number) => void;
}

/**
 * Removes the copies above `copies` and shortens every file above `limitBytes` to its last lines. A
 * file that is shortened needs room for what is kept of it: rather than have more than `allowedBytes`
 * on disk for that moment the oldest copies go.
 */
export function bringUnderBound(options: TrimOptions): void {
  const { directory } = options;
  for (const name of findTemporaries(directory)) removeIfThere(directory.fd, name);
  const chain = findChain(directory)
    .filter(({ stat }) => stat.isFile())
    .map(({ name, index, stat }) => ({ name, index, sizeBytes: stat.size }));
  for (const { kind, name } of planTrim(chain, options)) {
    try {
      if (kind === "remove") removeIfThere(directory.fd, name);
      else keepTail(name, options);
    } catch (error) {
      throw new LogfileError("trim", name, error);
    }
  }
}

/** The steps, in order, for these files, oldest first. */
export function planTrim(
  chain: readonly ChainFile[],
  { limitBytes, copies, allowedBytes }: TrimBound,
): readonly TrimStep[] {
  const steps: TrimStep[] = [];
  let present = chain.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  // Who put more there than the bound permits has left no room within it either.
  const most = present > allowedBytes ? Number.POSITIVE_INFINITY : allowedBytes;
  const kept: ChainFile[] = [];
  const remove = ({ name, sizeBytes }: ChainFile): void => {
    steps.push({ kind: "remove", name });
    present -= sizeBytes;
  };
  for (const file of chain) {
    kept.push(file);
    if (file.index > copies) {
      kept.pop();
      remove(file);
    } else if (file.sizeBytes > limitBytes) {
      while (present + limitBytes > most && (kept[0]?.index ?? 0) > 0) {
        remove(kept.shift() as ChainFile);
      }
      if (kept.at(-1) !== file) continue;
      steps.push({ kind: "shorten", name: file.name });
      present -= file.sizeBytes - limitBytes;
      kept[kept.length - 1] = { ...file, sizeBytes: limitBytes };
    }
  }
  return steps;
}

/** Replaces the file by its last lines in one rename, so that an interruption leaves it whole. */
function keepTail(name: string, { directory, limitBytes, onShortened }: TrimOptions): void {
  const { fd: directoryFd } = directory;
  const temporary = temporaryName(name);
  removeIfThere(directoryFd, temporary);
  const from = openBeneath(directoryFd, name, constants.O_RDONLY);
  try {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
    const to = openBeneath(directoryFd, temporary, flags, fstatSync(from).mode & 0o777);
    try {
      copyTail(from, to, limitBytes);
      onShortened(to);
    } finally {
      closeSync(to);
    }
    renameAt(directoryFd, temporary, name);
  } catch (error) {
    removeIfThere(directoryFd, temporary);
    throw error;
  } finally {
    closeSync(from);
  }
}

function copyTail(from: number, to: number, limitBytes: number): void {
  const buffer = Buffer.allocUnsafe(copyBytes);
  const size = fstatSync(from).size;
  const start = size - limitBytes;
  // The first line kept is whole when it begins within the cut window.
  const head = buffer.subarray(0, cutWindowBytes(limitBytes));
  const read = readSync(from, head, 0, head.length, start - 1);
  let position = start + Math.max(head.subarray(0, read).indexOf(0x0a), 0);
  while (position < size) {
    const count = readSync(from, buffer, 0, Math.min(buffer.length, size - position), position);
    if (count === 0) return;
    for (let done = 0; done < count; ) done += writeSync(to, buffer, done, count - done);
    position += count;
  }
}

function removeIfThere(directoryFd: number, name: string): void {
  try {
    unlinkAt(directoryFd, name);
  } catch (error) {
    if (errnoNameOf(error) !== "ENOENT") throw error;
  }
}
