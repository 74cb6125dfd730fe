// SPDX-License-Identifier: Apache-2.0
// Whether this host runs an xenstored, and at which path it answers.

import { closeSync, constants, openSync, type Stats, statSync } from "node:fs";
import { errnoNameOf, requirePollable } from "../../kernel/index.ts";
import { probeSocket } from "../../program/index.ts";

export interface FoundXenstored {
  readonly path: string;
  /** `forbidden`: this user may not look there, so there may be one. */
  readonly kind: "answers" | "forbidden";
}

/** The first of the paths at which xenstored answers, else the first where this user may not look. */
export async function findXenstored(paths: readonly string[]): Promise<FoundXenstored | undefined> {
  let forbidden: FoundXenstored | undefined;
  for (const path of paths) {
    const kind = await lookAt(path);
    if (kind === "answers") return { path, kind };
    if (kind === "forbidden") forbidden ??= { path, kind };
  }
  return forbidden;
}

async function lookAt(path: string): Promise<FoundXenstored["kind"] | "absent"> {
  let found: Stats | undefined;
  try {
    found = statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    return isForbidden(error) ? "forbidden" : "absent";
  }
  if (found === undefined) return "absent";
  if (!found.isSocket()) return lookAtDevice(path);
  return (await probeSocket(path)) === "answers" ? "answers" : "absent";
}

/**
 * The kernel's device can be opened only where there is a store (xenbus_file_open), and can be polled;
 * other files cannot.
 */
function lookAtDevice(path: string): FoundXenstored["kind"] | "absent" {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (error) {
    return isForbidden(error) ? "forbidden" : "absent";
  }
  try {
    requirePollable(fd);
    return "answers";
  } catch {
    return "absent";
  } finally {
    closeSync(fd);
  }
}

function isForbidden(error: unknown): boolean {
  const errno = errnoNameOf(error);
  return errno === "EACCES" || errno === "EPERM";
}
