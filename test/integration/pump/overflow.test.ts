// SPDX-License-Identifier: Apache-2.0
// A real pump on a real disk that is full: who waits, what is dropped, and what the log says about it.

import assert from "node:assert/strict";
import { readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { bytesReadable } from "../../../src/kernel/index.ts";
import type { StreamRecord, StreamReport } from "../../../src/pump/index.ts";
import { LogDisk } from "../../support/crash/log-disk.ts";
import { PumpInProcess } from "../../support/pump-in-process.ts";
import { waitFor } from "../../support/wait.ts";

const graceMs = 300;
const marker =
  /^\[xenlogd: (\d+) bytes dropped, disk full, (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) to \d{4}-[^ ]+Z\]$/m;

/** A pump whose logs are on a disk that can be filled. */
class Bench implements AsyncDisposable {
  readonly disk: LogDisk = new LogDisk("small");
  readonly pump: PumpInProcess;
  #requests = 0;

  constructor(stages = 8) {
    this.pump = new PumpInProcess({
      stages,
      graceMs,
      start: (start) => ({ ...start, directory: this.disk.root }),
    });
  }

  async open(
    epoch: string,
    overflow: StreamRecord["overflow"],
    file = "x.log",
    change: Partial<StreamRecord> = {},
  ): Promise<{ readonly record: StreamRecord; readonly writer: number }> {
    await this.pump.heard("started");
    const record = this.pump.record(epoch, {
      overflow,
      logRoot: this.disk.root,
      relativeFile: file,
      file: join(this.disk.root, file),
      ...change,
    });
    this.pump.tell({ type: "open", record });
    await waitFor("opened", () =>
      this.pump.received.some((one) => one.type === "opened" && one.epoch === record.epoch),
    );
    return { record, writer: this.pump.writer(record) };
  }

  async report({ epoch }: StreamRecord): Promise<StreamReport> {
    this.#requests += 1;
    const request = this.#requests;
    this.pump.tell({ type: "report", request });
    const report = await waitFor("report", () =>
      this.pump.received.find((one) => one.type === "report" && one.request === request),
    );
    assert.ok(report.type === "report");
    const stream = report.streams.find((one) => one.epoch === epoch);
    assert.ok(stream !== undefined);
    return stream;
  }

  heard(type: "stalled" | "dropping" | "resumed", { epoch }: StreamRecord): boolean {
    return this.pump.received.some((one) => one.type === type && one.epoch === epoch);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pump[Symbol.asyncDispose]();
    this.disk[Symbol.dispose]();
  }
}

/** Lines of 100 bytes, numbered. */
function lines(from: number, count: number): string {
  return Array.from({ length: count }, (_, index) => `${from + index} `.padEnd(99, "x"))
    .join("\n")
    .concat("\n");
}

function dropIn({ diskFull = 0 }: Readonly<Record<string, number>>): number {
  return diskFull;
}

describe("a full disk", () => {
  // contract: C112
  it("makes a stream that blocks wait for as long as it lasts, and loses nothing", async () => {
    await using bench = new Bench();
    const { record, writer } = await bench.open("a1", "block");
    bench.disk.fill(0);
    const text = lines(0, 300);
    writeSync(writer, text);
    await waitFor("stalled", () => bench.heard("stalled", record));
    // Longer than the grace of others.
    await new Promise((resolve) => setTimeout(resolve, 3 * graceMs));
    assert.equal(bench.heard("dropping", record), false);
    bench.disk.free();
    await waitFor("all", () => readFileSync(record.file, "utf8") === text);
    assert.deepEqual((await bench.report(record)).droppedBytes, {});
  });

  // contract: C103, C107, C111
  it("makes a stream that drops count what comes, and its log says how much in its place", async () => {
    await using bench = new Bench();
    const { record, writer } = await bench.open("a2", "drop");
    writeSync(writer, lines(0, 10));
    await waitFor("before", () => readFileSync(record.file, "utf8").length === 1000);
    bench.disk.fill(0);
    const dropped = lines(10, 500);
    const sinceMs = performance.now();
    writeSync(writer, dropped);
    await waitFor("dropped", () => bytesReadable(writer) === 0);
    assert.ok(performance.now() - sinceMs < graceMs, "at once");
    assert.ok(bench.heard("stalled", record) && bench.heard("dropping", record));
    bench.disk.free();
    await waitFor("resumed", () => bench.heard("resumed", record));
    writeSync(writer, lines(510, 10));
    await waitFor("after", () => readFileSync(record.file, "utf8").includes("\n519 "));
    const log = readFileSync(record.file, "utf8");
    const found = marker.exec(log);
    const { droppedBytes, writtenBytes } = await bench.report(record);
    assert.equal(Number(found?.[1]), dropIn(droppedBytes), log.slice(0, 5000));
    assert.equal(writtenBytes + dropIn(droppedBytes), 2000 + dropped.length);
    // In its place: nothing of what was dropped comes after it.
    const [before = "", after = ""] = log.split(found?.[0] ?? "");
    assert.ok(before.startsWith(lines(0, 10)));
    assert.equal(after, `\n${lines(510, 10)}`);
  });

  // contract: C110
  it("makes one in auto wait for the grace, and then drop, also what is in a stage", async () => {
    await using bench = new Bench();
    const { record, writer } = await bench.open("a3", "auto");
    bench.disk.fill(0);
    const sinceMs = performance.now();
    writeSync(writer, lines(0, 300));
    await waitFor("stalled", () => bench.heard("stalled", record));
    await waitFor("dropping", () => bench.heard("dropping", record));
    const waitedMs = performance.now() - sinceMs;
    assert.ok(waitedMs >= graceMs - 5, `${waitedMs} ms`);
    await waitFor("dropped", () => bytesReadable(writer) === 0);
    bench.disk.free();
    await waitFor("resumed", () => bench.heard("resumed", record));
    const { droppedBytes, writtenBytes } = await bench.report(record);
    assert.equal(writtenBytes + dropIn(droppedBytes), 30_000);
    assert.equal(Number(marker.exec(readFileSync(record.file, "utf8"))?.[1]), dropIn(droppedBytes));
  });

  // contract: C109
  it("does not keep a stream from its end that may drop", async () => {
    await using bench = new Bench();
    const { record, writer } = await bench.open("a4", "auto");
    bench.disk.fill(0);
    writeSync(writer, lines(0, 300));
    await waitFor("stalled", () => bench.heard("stalled", record));
    bench.pump.closeWriter(writer);
    bench.pump.tell({ type: "nodesGone", epoch: record.epoch });
    const { report } = await bench.pump.heard("closed");
    assert.equal(report.writtenBytes + dropIn(report.droppedBytes), 30_000);
  });

  it("is noticed within 0.2 s when it has room again", async () => {
    await using bench = new Bench();
    const streams: Awaited<ReturnType<Bench["open"]>>[] = [];
    for (let index = 0; index < 60; index += 1) {
      streams.push(await bench.open(`b${index}`, "block", `${index}.log`));
    }
    bench.disk.fill(0);
    for (const { writer } of streams) writeSync(writer, lines(0, 60));
    await waitFor("all stalled", () =>
      streams.every(({ record }) => bench.heard("stalled", record)),
    );
    // Long enough for any pause that would grow.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    bench.disk.free();
    const sinceMs = performance.now();
    await waitFor("resumed", () => streams.every(({ record }) => bench.heard("resumed", record)));
    assert.ok(performance.now() - sinceMs < 600, "not a few at a time");
    for (const { record } of streams) {
      await waitFor("all", () => readFileSync(record.file, "utf8") === lines(0, 60));
    }
  });

  it("leaves a stage to streams that drop, when all others hold bytes", async () => {
    await using bench = new Bench(3);
    const blocked = [
      await bench.open("c1", "block", "1.log"),
      await bench.open("c2", "block", "2.log"),
    ];
    const dropping = await bench.open("c3", "drop", "3.log");
    bench.disk.fill(0);
    for (const { writer } of blocked) writeSync(writer, lines(0, 60));
    await waitFor("stalled", () => blocked.every(({ record }) => bench.heard("stalled", record)));
    writeSync(dropping.writer, lines(0, 60));
    await waitFor("dropped", () => bytesReadable(dropping.writer) === 0);
    bench.disk.free();
    await waitFor("resumed", () => bench.heard("resumed", dropping.record));
    const { droppedBytes } = await bench.report(dropping.record);
    assert.deepEqual(Object.values(droppedBytes), [6000]);
  });
});

describe("a log with a rate", () => {
  const rate = { rateBytesPerSecond: 100_000, burstBytes: 20_000 };

  // contract: C10, C11
  it("keeps its writer waiting, and loses nothing", async () => {
    await using bench = new Bench();
    const { record, writer } = await bench.open("d1", "auto", "x.log", rate);
    const text = lines(0, 600);
    const sinceMs = performance.now();
    writeSync(writer, text);
    await waitFor("all", () => readFileSync(record.file, "utf8").length === text.length);
    assert.ok(performance.now() - sinceMs >= 390, "40 000 bytes more than a burst");
    assert.equal(readFileSync(record.file, "utf8"), text);
    assert.deepEqual((await bench.report(record)).droppedBytes, {});
  });

  it("with overflow drop loses what is too much, and says so in its place", async () => {
    await using bench = new Bench();
    const { record, writer } = await bench.open("d2", "drop", "x.log", rate);
    writeSync(writer, lines(0, 600));
    await waitFor("all read", () => bytesReadable(writer) === 0);
    await waitFor("the line", () => readFileSync(record.file, "utf8").includes("above its rate"));
    writeSync(writer, "after\n");
    await waitFor("after", () => readFileSync(record.file, "utf8").endsWith("\nafter\n"));
    const { droppedBytes, writtenBytes } = await bench.report(record);
    assert.equal(writtenBytes, 20_006);
    assert.deepEqual(droppedBytes, { rate: 40_000 });
    const log = readFileSync(record.file, "utf8");
    assert.match(log, /^\[xenlogd: 40000 bytes dropped, above its rate, [^ ]+ to [^ ]+\]\nafter$/m);
  });

  // contract: C108
  it("does not hold back the last words of its domain", async () => {
    await using bench = new Bench();
    const slow = { rateBytesPerSecond: 1, burstBytes: 4096 };
    const { record, writer } = await bench.open("d3", "block", "x.log", slow);
    writeSync(writer, lines(0, 600));
    await waitFor("the burst", () => readFileSync(record.file).length === 4096);
    bench.pump.closeWriter(writer);
    bench.pump.tell({ type: "nodesGone", epoch: record.epoch });
    const { report } = await bench.pump.heard("closed");
    assert.equal(report.writtenBytes, 60_000);
  });

  it("may have another while it is served", async () => {
    await using bench = new Bench();
    const slow = { rateBytesPerSecond: 1, burstBytes: 4096 };
    const { record, writer } = await bench.open("d4", "block", "x.log", slow);
    writeSync(writer, lines(0, 300));
    await waitFor("the burst", () => readFileSync(record.file).length === 4096);
    const { epoch, limitBytes, copies } = record;
    const none = { rateBytesPerSecond: null, burstBytes: null };
    bench.pump.tell({ type: "reconfigure", epoch, limitBytes, copies, ...none });
    await waitFor("the rest", () => readFileSync(record.file).length === 30_000);
  });
});
