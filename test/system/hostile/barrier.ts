// SPDX-License-Identifier: Apache-2.0
// Waits until the daemon has looked at all that was written before: it looks at requests in turn, so
// one that is refused without a file being touched is answered after them.

import type { TestDaemon } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";

/** A domain that no row has. */
export const barrierRoot = "/libxl/32000";

let count = 0;

export async function barrier(daemon: TestDaemon): Promise<void> {
  // Twice: what the first look began has asked its own questions before the second one ends.
  await lookOnce(daemon);
  await lookOnce(daemon);
  // The pumps have done what they were asked for until now.
  await daemon.control.streams({ all: false });
}

/** The main process alone has looked; the pump need not run. */
export async function lookOnce(daemon: TestDaemon): Promise<void> {
  count += 1;
  const base = `${barrierRoot}/logging/${count}`;
  const client = await daemon.xenstore();
  await client.transaction(async (transaction) => {
    await transaction.write(`${base}/pipe`, `${daemon.directory}/run/none-0123456789abcdef`);
    await transaction.write(`${base}/file`, `${daemon.directory}/log/none.log`);
    await transaction.write(`${base}/limit`, "0");
    await transaction.write(`${base}/copies`, "0");
  });
  const isAnswered = async (): Promise<boolean> =>
    (await client.readIfExists(`${base}/state`)) === "failed";
  await waitFor("the daemon's look", isAnswered);
  await client.rm(base);
}
