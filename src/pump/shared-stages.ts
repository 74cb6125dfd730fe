// SPDX-License-Identifier: Apache-2.0
// Copies of the holder's own open file descriptions. The last close of a description takes the pipe's
// mutex, and hangs with a pump that hangs in its disk; systemd 252 closes what it stores in PID 1. As
// long as that pump has a copy, nobody else's close is the last.

import { closeSync, fstatSync } from "node:fs";
import { copyDescriptorOf } from "../kernel/index.ts";
import type { StageLocation } from "../vault/index.ts";

/** None where we may not look into the holder, such as without root under Yama. */
export function shareStages(stages: readonly StageLocation[]): readonly number[] {
  const copies: number[] = [];
  try {
    for (const { pid, fd, inode } of stages) {
      const copy = copyDescriptorOf(pid, fd);
      copies.push(copy);
      if (fstatSync(copy).ino !== inode) throw new Error("not the stage");
    }
    return copies;
  } catch {
    for (const copy of copies) closeSync(copy);
    return [];
  }
}
