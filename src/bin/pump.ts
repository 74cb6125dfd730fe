#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The pump process. Started by the main process with an IPC channel, never by hand.

import { runPump } from "../pump/index.ts";

if (process.send === undefined) {
  process.stderr.write("xenlogd-pump: started by xenlogd, not by hand\n");
  process.exit(2);
}
// Signals that stop a terminal's job are for the main process; it says stop when it is time.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
// Past the file size limit of the process a write fails with EFBIG instead of killing it.
process.on("SIGXFSZ", () => {});
process.on("disconnect", () => process.exit(0));

await runPump({
  send: (message) => {
    process.send?.(message);
  },
  onMessage: (listener) => {
    process.removeAllListeners("message");
    process.on("message", listener);
  },
});
process.disconnect();
