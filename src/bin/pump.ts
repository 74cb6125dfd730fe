#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The pump process. Started by the main process with an IPC channel, never by hand.

import { raiseLimits } from "../kernel/index.ts";
import {
  diskFaultExitCode,
  guardOutputs,
  isDiskFault,
  printLine,
  reasonOf,
} from "../program/portable/index.ts";
import { type PumpChannel, runPump } from "../pump/index.ts";

guardOutputs("xenlogd-pump");
if (process.send === undefined) {
  printLine("xenlogd-pump: started by xenlogd, not by hand");
  process.exit(2);
}
raiseLimits();
// A terminal sends these to every process of its job; the main process asks the pump to stop.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
// At the file size limit of the process (RLIMIT_FSIZE) a write then fails with EFBIG.
process.on("SIGXFSZ", () => {});
process.on("disconnect", () => process.exit(0));

const channel: PumpChannel = {
  send: (message) => {
    // A channel that is closed has its own event.
    process.send?.(message, () => {});
  },
  onMessage: (listener) => {
    process.removeAllListeners("message");
    process.on("message", listener);
  },
};

try {
  await runPump(channel);
} catch (error) {
  if (!isDiskFault(error)) throw error;
  printLine(`xenlogd-pump: Error: ${reasonOf(error)}`);
  process.exit(diskFaultExitCode);
}
process.disconnect();
