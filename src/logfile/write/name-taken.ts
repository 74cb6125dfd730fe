// SPDX-License-Identifier: Apache-2.0
// Whether the live file still has its name, and what became of it if others have taken that.

import { readlinkSync } from "node:fs";
import { basename } from "node:path";
import { statAt } from "../../kernel/index.ts";
import type { FileOnDisk, LogDirectory } from "../files/index.ts";
import type { Interference } from "./interference.ts";

export function hasName({ fd, name }: LogDirectory, live: FileOnDisk): boolean {
  return statAt(fd, name)?.ino === live.inode;
}

/** Of a live file without its name, and the descriptor that it is open as. */
export function whatTookName({ fd }: LogDirectory, live: FileOnDisk, liveFd: number): Interference {
  const to = basename(readlinkSync(`/proc/self/fd/${liveFd}`));
  // Not its name if it was removed, or is in another directory.
  return statAt(fd, to)?.ino === live.inode ? { what: "renamed", to } : { what: "replaced" };
}
