// SPDX-License-Identifier: Apache-2.0
// A process that reaches its limit of open files must refuse new work, and go on with what it has.

import { mayOpen, softLimit } from "../kernel/index.ts";

/**
 * Kept for what is open already: rotations, files that are synced, the next process that keeps
 * descriptors, clients of the control socket.
 */
const reserve = 32;

/** Whether a process may open so many files for good. */
export function hasRoomForFiles(files: number): boolean {
  return mayOpen(files + reserve);
}

/** Why one more log cannot have that many files open in this process, `undefined` if it can. */
export function lackOfFiles(process: "daemon" | "pump", files: number): string | undefined {
  if (hasRoomForFiles(files)) return undefined;
  const limit = softLimit("openFiles");
  return `the ${process} may have ${limit} files open, too few for one more log; raise LimitNOFILE= of its service, or ulimit -n`;
}
