// SPDX-License-Identifier: Apache-2.0
// A state file that stays open, such as a lock.

import { closeSync, constants } from "node:fs";
import { openPath } from "../kernel/index.ts";
import { requireOurs } from "./portable/index.ts";

const privateMode = 0o600;
const accessOf = {
  existing: constants.O_RDWR,
  existingOrNew: constants.O_RDWR | constants.O_CREAT,
  // A file of a read-only file system has no lease, which is for writers.
  readOnly: constants.O_RDONLY | constants.O_NONBLOCK,
};

/**
 * Opens it for reading and writing: so a FIFO of that name blocks no open, and O_NONBLOCK, with which a
 * file under a lease cannot be opened, is not needed. Throws StateFileError or KernelError.
 */
export function openStateFile(
  path: string,
  which: "existing" | "existingOrNew" | "readOnly",
  mode: number = privateMode,
): number {
  const flags = constants.O_NOFOLLOW | constants.O_NOCTTY;
  const fd = openPath(path, flags | accessOf[which], mode);
  try {
    requireOurs(fd, path);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
