// SPDX-License-Identifier: Apache-2.0
// The pump by its messages, in this process, with stages of its own.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, renameSync, rmdirSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { PumpInProcess } from "../../support/pump-in-process.ts";
import { waitFor } from "../../support/wait.ts";

describe("a pump", () => {
  it("that is asked twice for a stream has it once, and goes on with it", async () => {
    await using pump = new PumpInProcess();
    await pump.heard("started");
    const record = pump.record("00000000000000aa");
    pump.tell({ type: "open", record });
    pump.tell({ type: "open", record });
    await pump.heard("opened", 2);
    const writer = pump.writer(record);
    pump.tell({ type: "report", request: 1 });
    const { streams } = await pump.heard("report");
    assert.deepEqual(
      streams.map(({ epoch }) => epoch),
      [record.epoch],
    );
    assert.ok(!pump.received.some(({ type }) => type === "closed"));
    pump.closeWriter(writer);
    pump.tell({ type: "nodesGone", epoch: record.epoch });
    await pump.heard("closed");
    assert.equal(readFileSync(record.file, "utf8"), "");
  });

  it("closes a stream whose FIFO's directory is none any more", async () => {
    await using pump = new PumpInProcess();
    await pump.heard("started");
    const record = pump.record("00000000000000aa");
    pump.tell({ type: "open", record });
    await pump.heard("opened");
    renameSync(record.runRoot, join(pump.directory, "moved"));
    writeFileSync(record.runRoot, "");
    pump.tell({ type: "nodesGone", epoch: record.epoch });
    await pump.heard("closed");
  });

  it("refuses a request that is older than the one its FIFO has", async () => {
    await using pump = new PumpInProcess();
    await pump.heard("started");
    const older = pump.record("00000000000000aa");
    const newer = { ...older, epoch: "00000000000000bb", sequence: 2 };
    pump.tell({ type: "open", record: newer });
    pump.tell({ type: "open", record: older });
    const refused = await pump.heard("notOpened");
    assert.partialDeepStrictEqual(refused, { epoch: older.epoch, cause: "renewed" });
    assert.ok(!pump.received.some(({ type }) => type === "closed"));
  });

  it("writes what is left in a stage as soon as the log takes it, before its next owner", async () => {
    const epoch = "00000000000000aa";
    await using pump = new PumpInProcess({
      before: (before) => {
        const left = before.record(epoch);
        before.leave(left, [{ text: "left over\n", isLost: false }]);
        // A directory cannot be opened for writing.
        mkdirSync(left.file);
      },
    });
    await pump.heard("started");
    const record = pump.record("00000000000000bb");
    pump.tell({ type: "open", record });
    const writer = pump.writer(record);
    writeSync(writer, "of the next owner\n");
    rmdirSync(record.file);
    await pump.heard("opened");
    await waitFor("bytes", () => readFileSync(record.file, "utf8").includes("owner"));
    assert.equal(readFileSync(record.file, "utf8"), "left over\nof the next owner\n");
    const recovered = await pump.heard("recovered");
    assert.partialDeepStrictEqual(recovered, { epoch, bytes: 10 });
  });
});
