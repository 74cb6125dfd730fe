// SPDX-License-Identifier: Apache-2.0
// Whether somebody else than the pump reads a FIFO, without a race between the two.

import assert from "node:assert/strict";
import { writeSync } from "node:fs";
import { bytesReadable } from "../../../src/kernel/index.ts";
import type { TestDaemon } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";
import { lookOnce } from "./barrier.ts";

/** Writes a line while the pump is stopped: it has to wait in the FIFO, and goes on from there. */
export async function expectOneReader(
  daemon: TestDaemon,
  writer: number,
  line: string,
): Promise<void> {
  await waitFor("an empty FIFO", () => bytesReadable(writer) === 0, 1000);
  const { pumpPid } = daemon;
  process.kill(pumpPid, "SIGSTOP");
  try {
    writeSync(writer, line);
    await lookOnce(daemon);
    const waiting = bytesReadable(writer);
    assert.equal(waiting, Buffer.byteLength(line), "nobody but the pump reads the FIFO");
  } finally {
    process.kill(pumpPid, "SIGCONT");
  }
}
