// SPDX-License-Identifier: Apache-2.0
// Whether a FIFO is in use, found out without reading from it.

import { closeSync } from "node:fs";
import { makePipe, tee } from "../kernel/index.ts";

/**
 * True if a writer has the FIFO open or bytes are in it. tee(2) copies a byte and consumes none; it
 * gives 0, the end of file, only where there is neither.
 */
export function hasWriterOrBytes(readFd: number): boolean {
  const scratch = makePipe();
  try {
    return tee(readFd, scratch.writeFd, 1) !== 0;
  } finally {
    closeSync(scratch.readFd);
    closeSync(scratch.writeFd);
  }
}
