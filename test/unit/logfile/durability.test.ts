// SPDX-License-Identifier: Apache-2.0
// When files are asked to the disk, and what that may hold up.

import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Durability } from "../../../src/logfile/index.ts";
import { waitFor } from "../../support/wait.ts";

const logs = 40;
const inTurnMax = 4;

describe("an interval", () => {
  it("syncs many logs beside the event loop, a few at a time", async () => {
    const directory = mkdtempSync(join(tmpdir(), "xenlogd-durability-"));
    const directoryFd = openSync(directory, "r");
    const fds = Array.from({ length: logs }, (_, n) => openSync(join(directory, `${n}`), "w"));
    const durability = new Durability({ kind: "interval", intervalMs: 100 });
    let asked = 0;
    let inFirstTurn: number | undefined;
    for (const fd of fds) {
      durability.grown({}, () => {
        if (asked === 0) {
          queueMicrotask(() => {
            inFirstTurn = asked;
          });
        }
        asked += 1;
        return { directoryFd, fd };
      });
    }
    await waitFor("all logs", () => asked === logs);
    assert.ok(inFirstTurn !== undefined && inFirstTurn <= inTurnMax, `${inFirstTurn} at once`);
    durability.close();
    for (const fd of [...fds, directoryFd]) closeSync(fd);
    rmSync(directory, { recursive: true });
  });
});
