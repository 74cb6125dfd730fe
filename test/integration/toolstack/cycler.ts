// SPDX-License-Identifier: Apache-2.0
// A program for the test of many processes: cycler.ts SOCKET FIFO_DIRECTORY NAME CYCLES creates and
// closes logs of domain 5, and fails if an id was ever somebody else's as well.

import assert from "node:assert/strict";
import { nodePath } from "../../../src/contract/index.ts";
import { createLogfile } from "../../../src/toolstack/index.ts";
import { connectXenstore } from "../../../src/xenstore/index.ts";

const { XEN_LOG_DIR: logs = "/var/log/xen" } = process.env;
const [socketPath = "", fifoDirectory = "", name = "", cycles = "0"] = process.argv.slice(2);
await using xenstore = await connectXenstore({ socketPath });
for (let cycle = 0; cycle < Number(cycles); cycle += 1) {
  await using handle = await createLogfile({
    xenstore,
    domid: 5,
    name,
    file: `${logs}/${name}.log`,
    fifoDirectory,
    limitBytes: 65536,
    copies: 3,
    timeoutMs: 60_000,
  });
  assert.equal(await xenstore.read(nodePath(handle.key, "pipe")), handle.pipe);
}
