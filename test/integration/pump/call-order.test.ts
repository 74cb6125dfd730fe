// SPDX-License-Identifier: Apache-2.0
// The order of a pump's system calls, where a promise rests on it: what a power failure or a writer
// that comes in between would find.

import assert from "node:assert/strict";
import { closeSync, constants, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, it } from "node:test";
import type { StreamRecord } from "../../../src/pump/index.ts";
import {
  isReadingEnd,
  observeSystemCalls,
  pathOf,
  type SystemCall,
} from "../../support/observed-calls.ts";
import { waitFor } from "../../support/wait.ts";

const observer = observeSystemCalls();
const { PumpInProcess } = await import("../../support/pump-in-process.ts");
const { DropCounter, RefusedDrain } = await import("../../../src/fifo/index.ts");
const { resizePipe } = await import("../../../src/kernel/index.ts");

const limitBytes = 4096;

/** Renames and syncs of a log's files as they are made, such as `fdatasync x.log`. */
function recordSyncs(): string[] {
  const seen: string[] = [];
  observer.before = ({ name, args }) => {
    if (/^f(data)?sync$/.test(name)) seen.push(`${name} ${basename(pathOf(args[0]))}`);
    if (name === "renameat") seen.push(`rename ${args[1]} -> ${args[3]}`);
  };
  return seen;
}

/** Asserts that the calls are among those seen, in this order. */
function assertOrder(seen: readonly string[], calls: readonly string[]): void {
  let from = 0;
  for (const call of calls) {
    const at = seen.indexOf(call, from);
    assert.ok(at >= 0, `${call} after ${calls[calls.indexOf(call) - 1]}: ${seen.join(", ")}`);
    from = at + 1;
  }
}

describe("a log that is to survive a power failure", () => {
  it("is on the disk when a shortened file takes its name, and then the name is", async () => {
    await using pump = new PumpInProcess({ fsync: { kind: "rotate" } });
    await pump.heard("started");
    const record = pump.record("a", { limitBytes });
    writeFileSync(record.file, "a line that is too much\n".repeat(400), { mode: 0o600 });
    const seen = recordSyncs();
    pump.tell({ type: "open", record });
    await pump.heard("opened");
    assertOrder(seen, ["fdatasync .x.log.trim", "rename .x.log.trim -> x.log", "fsync log"]);
  });

  it("is asked to the disk when it is rotated, and its directory after that", async () => {
    await using pump = new PumpInProcess({ fsync: { kind: "rotate" } });
    await pump.heard("started");
    const record = pump.record("b", { limitBytes });
    pump.tell({ type: "open", record });
    await pump.heard("opened");
    const seen = recordSyncs();
    writeSync(pump.writer(record), "a line\n".repeat(700));
    await waitFor("a rotation", () => seen.includes("fsync log"));
    assertOrder(seen, ["rename x.log -> x.log.1", "fsync log"]);
    assert.ok(seen.includes("fdatasync x.log"), seen.join(", "));
  });

  it("is not waited for when nobody asked for that", async () => {
    await using pump = new PumpInProcess();
    await pump.heard("started");
    const record = pump.record("c", { limitBytes });
    writeFileSync(record.file, "a line that is too much\n".repeat(400), { mode: 0o600 });
    const seen = recordSyncs();
    pump.tell({ type: "open", record });
    writeSync(pump.writer(record), "a line\n".repeat(700));
    await waitFor("a rotation", () => seen.includes("rename x.log -> x.log.1"));
    assert.deepEqual(
      seen.filter((call) => /sync/.test(call)),
      [],
    );
  });
});

/** Opens the FIFO for writing as soon as a reading end is closed: ENXIO if that was the last one. */
function comeInBetween(pipe: string): { readonly fd: () => number | undefined; error?: unknown } {
  let fd: number | undefined;
  const seen: { readonly fd: () => number | undefined; error?: unknown } = { fd: () => fd };
  const closing = new Set<unknown>();
  observer.before = ({ name, args }: SystemCall) => {
    if (name === "close" && pathOf(args[0]) === pipe && isReadingEnd(args[0])) closing.add(args[0]);
  };
  observer.after = ({ name, args }) => {
    if (name !== "close" || !closing.delete(args[0]) || fd !== undefined) return;
    try {
      fd = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      fd = -1;
      seen.error = error;
    }
  };
  return seen;
}

describe("a writer that comes when the last one has just left", () => {
  it("finds a reader, and is logged", async () => {
    await using pump = new PumpInProcess();
    await pump.heard("started");
    const record = pump.record("d");
    pump.tell({ type: "open", record });
    await pump.heard("opened");
    const between = comeInBetween(record.pipe);
    pump.closeWriter(pump.writer(record));
    await assertLogged(record, between);
  });

  it("finds one as well when the FIFO gets its next epoch", async () => {
    await using pump = new PumpInProcess();
    await pump.heard("started");
    const record = pump.record("e");
    pump.tell({ type: "open", record });
    await pump.heard("opened");
    // An O_RDWR writer would be a reader as well.
    const writer = openSync(record.pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    const between = comeInBetween(record.pipe);
    pump.tell({ type: "open", record: { ...record, epoch: "f".repeat(16), sequence: 2 } });
    await pump.heard("opened", 2);
    closeSync(writer);
    await assertLogged(record, between);
  });

  // contract: C74
  it("finds one as well when its request was refused", async () => {
    await using pump = new PumpInProcess();
    const { pipe, runRoot, relativePipe } = pump.record("7");
    const nullFd = openSync("/dev/null", "w");
    const counter = new DropCounter(join(runRoot, "counter"), "");
    const onEnd = (): void => {};
    const drain = new RefusedDrain({ runRoot, relativePipe, nullFd, counter, onEnd });
    const between = comeInBetween(pipe);
    closeSync(openSync(pipe, "r+"));
    const fd = await waitFor("a writer", between.fd);
    assert.equal(between.error, undefined);
    observer.before = observer.after = undefined;
    writeSync(fd, "refused\n");
    await waitFor("its bytes", () => drain.droppedBytes === 8);
    drain.close();
    counter.remove();
    for (const one of [fd, nullFd]) closeSync(one);
  });

  async function assertLogged(
    { file }: StreamRecord,
    between: ReturnType<typeof comeInBetween>,
  ): Promise<void> {
    const fd = await waitFor("a writer", between.fd);
    assert.equal(between.error, undefined);
    observer.before = observer.after = undefined;
    writeSync(fd, "in between\n");
    await waitFor("its line", () => readFileSync(file, "utf8") === "in between\n");
    closeSync(fd);
  }
});

describe("what is taken from a FIFO at once", () => {
  it("begins at 64 KiB and doubles while the FIFO is full, up to what a stage holds", async () => {
    const stageBytes = 1 << 20;
    await using pump = new PumpInProcess({ stageBytes });
    await pump.heard("started");
    const record = pump.record("8", { limitBytes: 64 << 20 });
    const writer = pump.writer(record);
    assert.equal(resizePipe(writer, stageBytes), stageBytes);
    const asked: number[] = [];
    observer.before = ({ name, args }) => {
      if (name === "splice" && pathOf(args[0]) === record.pipe) asked.push(Number(args[4]));
    };
    const full = Buffer.alloc(stageBytes, "0123456789abcde\n");
    pump.tell({ type: "open", record });
    let sent = 0;
    for (let round = 0; round < 5; round += 1) {
      sent += writeSync(writer, full);
      await waitFor("all of it", () => readFileSync(record.file).length === sent);
    }
    observer.before = undefined;
    const steps = asked.filter((bytes, index) => bytes !== asked[index - 1]);
    assert.deepEqual(
      steps,
      [1, 2, 4, 8, 16].map((times) => times * 65_536),
    );
  });

  it("stays at 64 KiB where there is never more", async () => {
    await using pump = new PumpInProcess({ stageBytes: 1 << 20 });
    await pump.heard("started");
    const record = pump.record("9", { limitBytes: 1 << 20 });
    const writer = pump.writer(record);
    const asked = new Set<number>();
    observer.before = ({ name, args }) => {
      if (name === "splice" && pathOf(args[0]) === record.pipe) asked.add(Number(args[4]));
    };
    pump.tell({ type: "open", record });
    for (let sent = 1000; sent <= 10_000; sent += 1000) {
      writeSync(writer, Buffer.alloc(1000));
      await waitFor("all of it", () => readFileSync(record.file).length === sent);
    }
    observer.before = undefined;
    assert.deepEqual([...asked], [65_536]);
  });
});
