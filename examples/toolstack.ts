// SPDX-License-Identifier: Apache-2.0
// A command whose stdout and stderr go to a bounded log: node examples/toolstack.ts COMMAND [ARG…]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connectXenstore, createLogfile } from "xenlogd";

const { XEN_RUN_DIR: run = "/run/xen", XEN_LOG_DIR: logs = "/var/log/xen" } = process.env;
const place = { file: `${logs}/xenlogd/host-example.log`, fifoDirectory: `${run}/xenlogd/fifo` };
const bound = { limitBytes: 65536, copies: 3 };
const [command = "date", ...args] = process.argv.slice(2);
await using xenstore = await connectXenstore();
await using log = await createLogfile({ xenstore, global: true, ...place, ...bound });
const child = spawn(command, args, { stdio: ["ignore", log.open(), log.open()] });
[process.exitCode] = await once(child, "exit");
