#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The store of an embedded daemon, which starts it; people use `xenlog xenstored`. Loads few modules:
// after a crash the daemon and its clients wait for it. SIGTERM ends it in order.

import { parseArgs } from "node:util";
import { giveNotice, guardOutputs, printLine } from "../program/portable/index.ts";
import { startXenstoreServer, XenstoreServerError } from "../xenstore/server/index.ts";

guardOutputs("xenlogd-xenstored");
const { values } = parseArgs({
  options: {
    socket: { type: "string" },
    state: { type: "string" },
    "notify-fd": { type: "string" },
  },
});
const { socket: socketPath, state: stateFile } = values;
if (socketPath === undefined || stateFile === undefined) {
  printLine("xenlogd-xenstored: started by xenlogd; by hand use xenlog xenstored");
  process.exit(2);
}
const stopped = new Promise<void>((resolve) => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => resolve());
});
const notifyFd = values["notify-fd"] === undefined ? undefined : Number(values["notify-fd"]);
try {
  await using _server = await startXenstoreServer({
    socketPath,
    stateFile,
    onError: ({ message }) => printLine(`xenstored: ${message}`),
  });
  giveNotice(notifyFd, { kind: "ready" });
  await stopped;
} catch (error) {
  if (!(error instanceof XenstoreServerError)) throw error;
  const { code, message } = error;
  process.exitCode = 1;
  giveNotice(notifyFd, { kind: "failed", code, message, exitCode: process.exitCode });
}
