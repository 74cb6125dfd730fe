// SPDX-License-Identifier: Apache-2.0
// A server in a process of its own, for tests that kill it.

import { startXenstoreServer } from "../../../src/xenstore/server/index.ts";

const [socketPath = "", stateFile] = process.argv.slice(2);
await startXenstoreServer({ socketPath, ...(stateFile !== undefined && { stateFile }) });
process.send?.("ready");
