// SPDX-License-Identifier: Apache-2.0
// Whether this host runs an xenstored, and at which path it answers.

import { closeSync, constants, openSync, statSync } from "node:fs";
import { errnoNameOf } from "../../kernel/index.ts";
import { probeSocket } from "../../program/index.ts";

/** The first of the paths at which xenstored answers. */
export async function findXenstored(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) continue;
    const answers = found.isSocket()
      ? (await probeSocket(path)) === "answers"
      : deviceAnswers(path);
    if (answers) return path;
  }
  return undefined;
}

/**
 * The kernel's device can be opened only where there is a store (xenbus_file_open). A device that
 * this user may not open counts as answering.
 */
function deviceAnswers(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
    return true;
  } catch (error) {
    const errno = errnoNameOf(error);
    return errno === "EACCES" || errno === "EPERM";
  }
}
