// SPDX-License-Identifier: Apache-2.0
// Performs a rotation, planned from the files that are there now.

import { renameAt, statAt, unlinkAt } from "../../kernel/index.ts";
import { chainName, type LogDirectory } from "../files/index.ts";
import { planRotation, type RotationStep } from "./rotation-plan.ts";

/** The live file becomes the newest copy. Throws KernelError; the next call goes on then. */
export function rotateNames({ fd, name }: LogDirectory, copies: number): void {
  const exists = (index: number): boolean => statAt(fd, chainName(name, index)) !== undefined;
  for (const step of planRotation(name, copies, exists)) perform(fd, step);
}

function perform(directoryFd: number, step: RotationStep): void {
  switch (step.kind) {
    case "unlink":
      unlinkAt(directoryFd, step.name);
      break;
    case "rename":
      renameAt(directoryFd, step.from, step.to);
      break;
  }
}
