// SPDX-License-Identifier: Apache-2.0
// A host's daemon that is started before its xenstored says that it waits, once, and when it goes on.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { startXenstoreServer } from "../../../src/xenstore/server/index.ts";
import { TestDaemon } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";

it("a daemon without a xenstored says so once, and when there is one", async () => {
  const directory = mkdtempSync(join(tmpdir(), "xenlogd-awaits-"));
  const socketPath = join(directory, "socket");
  try {
    await using daemon = TestDaemon.onHost(socketPath);
    await daemon.start();
    const said = (): readonly string[] =>
      daemon.events.map(({ msg }) => msg).filter((msg) => msg.startsWith("Xenstore"));
    await waitFor("the word that it waits", () => said().length > 0);
    const [awaited] = daemon.events.filter(({ msg }) => msg === "XenstoreAwaited");
    assert.equal(awaited?.["level"], "warn");
    assert.match(String(awaited["reason"]), /cannot reach xenstored at .*socket/);
    const server = await startXenstoreServer({ socketPath });
    try {
      await waitFor("the connection", () => said().length > 1);
      assert.deepEqual(said(), ["XenstoreAwaited", "XenstoreConnected"]);
      assert.equal((await daemon.control.status()).xenstore, "connected");
    } finally {
      await daemon.stop();
      await server.close();
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
