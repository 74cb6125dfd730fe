// SPDX-License-Identifier: Apache-2.0
// A command whose stdout and stderr go to a bounded log: node examples/toolstack.mjs COMMAND [ARG…]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connectXenstore, createLogfile } from "xenlogd";

// Each error of xenlogd is a sentence for people; its code is for programs.
process.once("uncaughtException", ({ message }) => {
  process.stderr.write(`example: ${message}\n`);
  process.exit(1);
});
const { XEN_RUN_DIR: run = "/run/xen", XEN_LOG_DIR: logs = "/var/log/xen" } = process.env;
const place = { file: `${logs}/xenlogd/host-example.log`, fifoDirectory: `${run}/xenlogd/fifo` };
const [command = "date", ...args] = process.argv.slice(2);
const xenstore = await connectXenstore();
const log = await createLogfile({ xenstore, global: true, ...place, limitBytes: 65536, copies: 3 });
const child = spawn(command, args, { stdio: ["ignore", ...log.stdio()] });
[process.exitCode] = await once(child, "exit").finally(() => log.close());
await xenstore.close();
