// SPDX-License-Identifier: Apache-2.0
// The end of a process that has loaded koffi 3.3.4: its exit handler calls fsync(2) for standard output
// and error, and where that fails with an error of a disk (EROFS, observed) it waits for its own lock for
// ever. So such an output is replaced by /dev/null before.

import { closeSync, constants, fsyncSync, openSync } from "node:fs";
import { libcDup2 } from "./library.ts";

const outputs = [1, 2] as const;

process.on("exit", () => {
  for (const output of outputs) {
    if (canBeSynced(output)) continue;
    const nowhere = openSync("/dev/null", constants.O_WRONLY);
    libcDup2(nowhere, output);
    closeSync(nowhere);
  }
});

/** Pipes and terminals cannot (EINVAL), which is no error of theirs. */
function canBeSynced(fd: number): boolean {
  try {
    fsyncSync(fd);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "EINVAL" || code === "EBADF" || code === "ENOTSUP";
  }
}
