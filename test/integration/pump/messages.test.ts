// SPDX-License-Identifier: Apache-2.0
// What a pump does at its messages, where time or an order is the promise.

import assert from "node:assert/strict";
import { readFileSync, writeSync } from "node:fs";
import { describe, it } from "node:test";
import type { StreamRecord } from "../../../src/pump/index.ts";
import { PumpInProcess } from "../../support/pump-in-process.ts";
import { waitFor } from "../../support/wait.ts";

/** The contract: the next owner of a file waits up to 2 s for the last writers of the old one. */
const graceMs = 2000;
/** Timers are exact to a millisecond or two; above it the machine may be busy. */
const earlyMs = 50;
const lateMs = 1500;

describe("the next owner of a file", { concurrency: true }, () => {
  it("gets it after 2 s while an old writer is there", async () => {
    await using pump = new PumpInProcess();
    await pump.heard("started");
    const [old, next] = [pump.record("a"), pump.record("b")];
    pump.tell({ type: "open", record: old });
    await pump.heard("opened");
    pump.writer(old);
    pump.tell({ type: "nodesGone", epoch: old.epoch });
    const askedMs = performance.now();
    pump.tell({ type: "open", record: next });
    await pump.heard("opened", 2);
    const waitedMs = performance.now() - askedMs;
    assert.ok(waitedMs > graceMs - earlyMs && waitedMs < graceMs + lateMs, `${waitedMs} ms`);
  });

  it("gets it at once when the last old writer leaves", async () => {
    await using pump = new PumpInProcess();
    await pump.heard("started");
    const [old, next] = [pump.record("a"), pump.record("b")];
    pump.tell({ type: "open", record: old });
    await pump.heard("opened");
    const writer = pump.writer(old);
    pump.tell({ type: "nodesGone", epoch: old.epoch });
    const askedMs = performance.now();
    pump.tell({ type: "open", record: next });
    pump.closeWriter(writer);
    await pump.heard("opened", 2);
    assert.ok(performance.now() - askedMs < graceMs / 2);
  });
});

describe("a pump whose predecessor has lost a stage", () => {
  const lost = "lost words\n";

  it("writes the line about it before what is in another stage", async () => {
    await using pump = new PumpInProcess({
      // One of them is left to bytes that are dropped.
      stages: 3,
      before: (pump) => {
        pump.leave(pump.record("a"), [
          { text: "later\n", isLost: false },
          { text: lost, isLost: true },
        ]);
      },
    });
    await pump.heard("started");
    assert.partialDeepStrictEqual(await pump.heard("lost"), {
      bytes: lost.length,
      certainty: "exact",
    });
    assert.match(
      readFileSync(`${pump.directory}/log/x.log`, "utf8"),
      /^\[xenlogd: 11 bytes lost, [^\n]*\]\nlater\n$/,
    );
  });

  it("writes it before what its FIFO holds", async () => {
    let record: StreamRecord | undefined;
    await using pump = new PumpInProcess({
      before: (pump) => {
        record = pump.record("a");
        pump.leave(record, [{ text: lost, isLost: true }]);
        writeSync(pump.writer(record), "later\n");
      },
    });
    await pump.heard("started");
    assert.ok(record !== undefined);
    const { file } = record;
    pump.tell({ type: "open", record });
    await waitFor("its bytes", () => readFileSync(file, "utf8").endsWith("later\n"));
    assert.match(readFileSync(file, "utf8"), /^\[xenlogd: 11 bytes lost, [^\n]*\]\nlater\n$/);
  });
});

describe("a pump that is given a pipe", () => {
  it("with another inode than its stage has does not start", async () => {
    await using pump = new PumpInProcess({
      start: (start) => ({
        ...start,
        stages: start.stages.map((stage) => ({ ...stage, inode: stage.inode + 1 })),
      }),
    });
    let outcome: string | undefined;
    pump.ended.catch((error: unknown) => {
      outcome = String(error);
    });
    await waitFor("its end", () => outcome ?? pump.received[0]?.type);
    assert.match(outcome ?? "it started", /is not the stage with inode/);
  });
});
