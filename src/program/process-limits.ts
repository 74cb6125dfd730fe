// SPDX-License-Identifier: Apache-2.0
// Limits of the process, said to operators. One that reaches its limit of open files must refuse new
// work, and go on with what it has.

import { mayOpen, softLimit } from "../kernel/index.ts";

const raiseOpenFiles = "raise LimitNOFILE= of its service, or ulimit -n";

/**
 * Kept for what is open already: rotations, files that are synced, the next process that keeps
 * descriptors, clients of the control socket.
 */
const reserve = 32;

/** To find out costs two system calls for each file: in a burst of new logs once for many of them. */
const filesAhead = 128;
const aheadMs = 100;
const nothing = { files: 0, untilMs: 0, limit: 0 };
let ahead = nothing;

/** Whether a process may open so many files for good. */
export function hasRoomForFiles(files: number): boolean {
  const limit = softLimit("openFiles");
  const nowMs = performance.now();
  if (ahead.files < files || ahead.limit !== limit || nowMs > ahead.untilMs) {
    ahead = nothing;
    if (!mayOpen(files + filesAhead + reserve)) return mayOpen(files + reserve);
    ahead = { files: files + filesAhead, untilMs: nowMs + aheadMs, limit };
  }
  ahead = { ...ahead, files: ahead.files - files };
  return true;
}

type ProcessName = "daemon" | "pump";

/** Why one more log cannot have that many files open in this process, `undefined` if it can. */
export function lackOfFiles(process: ProcessName, files: number): string | undefined {
  if (hasRoomForFiles(files)) return undefined;
  const limit = softLimit("openFiles");
  return `the ${process} may have ${limit} files open, too few for one more log; ${raiseOpenFiles}`;
}

/** The limit of this process that a system call may have failed at with that errno. */
export function limitBehind(process: ProcessName, errno: string | undefined): string | undefined {
  if (errno === "EMFILE") {
    return `the ${process} may have ${softLimit("openFiles")} files open; ${raiseOpenFiles}`;
  }
  const bytes = errno === "EFBIG" ? softLimit("fileBytes") : Number.POSITIVE_INFINITY;
  if (bytes === Number.POSITIVE_INFINITY) return undefined;
  return `the ${process} may make files of ${bytes} bytes; raise LimitFSIZE= of its service, or ulimit -f`;
}
