// SPDX-License-Identifier: Apache-2.0
// At its end Node.js 20 gives terminals back as it found them, and aborts where that fails because the
// terminal is gone (ResetStdio in src/node.cc): an orderly end would be a crash.

import { closeSync, constants } from "node:fs";
import { isatty } from "node:tty";
import { openPath, replaceDescriptor } from "../kernel/index.ts";

const standardDescriptors = [0, 1, 2];

/** Call it first: puts /dev/null in the place of terminals that are gone when the process exits. */
export function letGoOfDeadTerminals(): void {
  const terminals = standardDescriptors.filter((fd) => isatty(fd));
  process.on("exit", () => {
    // A terminal whose other side is closed is none any more for isatty(3).
    for (const fd of terminals.filter((terminal) => !isatty(terminal))) {
      const nothing = openPath("/dev/null", constants.O_RDWR);
      replaceDescriptor(nothing, fd);
      closeSync(nothing);
    }
  });
}
