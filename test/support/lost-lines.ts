// SPDX-License-Identifier: Apache-2.0
// More lines of a daemon's own log than are kept for a reader that does not read.

import assert from "node:assert/strict";
import { join } from "node:path";
import type { ControlClient } from "../../src/control/index.ts";
import { connectXenstore } from "../../src/xenstore/index.ts";
import { waitFor } from "./wait.ts";

const requestsAtOnce = 100;
/** Refused, and the event has it. */
const file = `/${"x".repeat(99)}`.repeat(18);

/** Makes requests that are refused, each with an event, until an embedded daemon has lost a line. */
export async function loseLines(directory: string, control: ControlClient): Promise<void> {
  await using xenstore = await connectXenstore({
    socketPath: join(directory, "run/xenstored.sock"),
  });
  for (let round = 1; (await control.status()).lostLines === 0; round += 1) {
    assert.ok(round <= 10, "no line is lost");
    const ids = Array.from({ length: requestsAtOnce }, (_, index) => 1000 + index);
    await xenstore.transaction(async (transaction) => {
      for (const id of ids) {
        const nodes = { pipe: "/x", file, limit: "65536", copies: "1" };
        for (const [name, value] of Object.entries(nodes)) {
          await transaction.write(`/libxl/logging/${id}/${name}`, value);
        }
      }
    });
    const last = `/libxl/logging/${ids.at(-1)}/state`;
    await waitFor("the refusals", async () => (await xenstore.readIfExists(last)) === "failed");
    for (const id of ids) await xenstore.rm(`/libxl/logging/${id}`);
  }
}
