// SPDX-License-Identifier: Apache-2.0
// The only way to replace a file: write another beside it, sync it if asked, rename it. A reader sees
// the old content or the new one; a killed process leaves one of them. One replacement of a path at a
// time: two would write the same file beside it.

import {
  closeSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";

/** `durable`: the new content also survives a power failure. Of no use on a tmpfs. */
export interface ReplaceOptions {
  readonly durable?: true;
}

const ownerOnly = 0o600;
/** Never what has the name already: that may be a FIFO, or a link to another file. */
const newFile = "wx";
/** Of the file beside it. One that a killed process left is removed by the next replacement. */
export const temporarySuffix = ".new";

/** Throws the file system's error; then the old file is unchanged and nothing is beside it. */
export function replaceFile(path: string, text: string, { durable }: ReplaceOptions = {}): void {
  const temporary = `${path}${temporarySuffix}`;
  try {
    const write = (): void =>
      withOpen(temporary, newFile, (fd) => {
        writeFileSync(fd, text);
        if (durable) fsyncSync(fd);
      });
    try {
      write();
    } catch (error) {
      if (!isTaken(error)) throw error;
      unlinkSync(temporary);
      write();
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  // The name is in the directory, which is another file for the kernel: fsync(2).
  if (durable) withOpen(dirname(path), "r", fsyncSync);
}

/** Removes a file that is not needed any more; it stays where the disk takes no changes. */
export function removeIfPossible(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Whoever finds it has to see that it is outdated.
  }
}

function isTaken(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "EEXIST";
}

function withOpen(path: string, flags: "r" | typeof newFile, use: (fd: number) => void): void {
  const fd = openSync(path, flags, ownerOnly);
  try {
    use(fd);
  } finally {
    closeSync(fd);
  }
}
