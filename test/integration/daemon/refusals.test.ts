// SPDX-License-Identifier: Apache-2.0
// Requests that are refused or not trusted: what is said about them, and what is counted.

import assert from "node:assert/strict";
import { closeSync, constants, existsSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { StreamStatus } from "../../../src/control/index.ts";
import { makeFifo } from "../../../src/kernel/index.ts";
import { introduceDomain } from "../../../src/toolstack/index.ts";
import type { LoggedEvent } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench } from "./fixture.ts";

/** A request as `xenstore-write` makes it, with a writer that waits for nothing. */
interface Request {
  readonly domid: number;
  readonly base: string;
  readonly pipe: string;
  readonly writer: number;
}

async function request(bench: Bench, name: string, nodes: object): Promise<Request> {
  const xenstore = await bench.daemon.xenstore();
  const domid = await introduceDomain(xenstore, name);
  const base = `/libxl/${domid}/logging/1`;
  const pipe = join(bench.daemon.fifoDirectory, `${name}-0123456789abcdef`);
  makeFifo(pipe, 0o600);
  const writer = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  const file = bench.daemon.logPath(`${name}-console.log`);
  await xenstore.transaction(async (transaction) => {
    const all = { pipe, file, limit: "65536", copies: "1", ...nodes };
    for (const [node, value] of Object.entries(all)) {
      await transaction.write(`${base}/${node}`, String(value));
    }
  });
  return { domid, base, pipe, writer };
}

async function counted(bench: Bench, { domid }: Request, bytes: number): Promise<StreamStatus> {
  return await waitFor(`${bytes} bytes counted`, async () => {
    const streams = await bench.daemon.control.streams({ all: false });
    const found = streams.find((stream) => stream.domid === domid);
    return (found?.droppedBytes["refused"] ?? 0) >= bytes && found;
  });
}

function said(bench: Bench, msg: string): readonly LoggedEvent[] {
  return bench.daemon.events.filter((event) => event.msg === msg);
}

function withoutTime({ time: _, ...fields }: LoggedEvent): object {
  return fields;
}

describe("a refused request", { concurrency: 3 }, () => {
  // contract: C30, C42, C47
  it("goes on being counted after a SIGKILL of the daemon, and is reported at its end", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const refused = await request(bench, "counted", { limit: "1" });
    writeSync(refused.writer, Buffer.alloc(10_000));
    const { name, log, error } = await counted(bench, refused, 10_000);
    assert.deepEqual([name, log], ["counted", "console"]);
    assert.match(error ?? "", /^limit is "1"/);
    const about = {
      key: `${refused.domid}/1`,
      name: "counted",
      log: "console",
      file: daemon.logPath("counted-console.log"),
    };
    assert.deepEqual(said(bench, "StreamRefused").map(withoutTime), [
      { level: "warn", ...about, reason: error, final: true, msg: "StreamRefused" },
    ]);

    await daemon.kill(daemon.mainPid);
    writeSync(refused.writer, Buffer.alloc(5000));
    await daemon.start();
    const { droppedBytes } = await counted(bench, refused, 15_000);
    assert.deepEqual(droppedBytes, { refused: 15_000 });
    assert.equal(said(bench, "StreamRefused").length, 2, "once by each daemon");

    await (await daemon.xenstore()).rm("/libxl");
    writeSync(refused.writer, Buffer.alloc(1000));
    closeSync(refused.writer);
    await waitFor("its end", () => said(bench, "RefusedDrained").length > 0);
    assert.deepEqual(said(bench, "RefusedDrained").map(withoutTime), [
      { level: "warn", ...about, droppedBytes: 16_000, msg: "RefusedDrained" },
    ]);
    assert.deepEqual(await daemon.control.streams({ all: false }), []);
  });

  it("that is removed while no daemon runs has its number reported by the next one", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const refused = await request(bench, "removed", { copies: "x" });
    writeSync(refused.writer, Buffer.alloc(3000));
    await counted(bench, refused, 3000);
    await daemon.kill(daemon.mainPid);
    await (await daemon.xenstore()).rm(`/libxl/${refused.domid}`);
    closeSync(refused.writer);
    await daemon.start();
    await waitFor("the report", () => said(bench, "RefusedDrained").length > 0);
    assert.equal(said(bench, "RefusedDrained")[0]?.["droppedBytes"], 3000);
    await daemon.stop();
    assert.ok(!existsSync(join(bench.tableDirectory, "refused")), "nothing is left of it");
  });

  it("has its number reported when it is served after all", async () => {
    await using bench = await Bench.start();
    const refused = await request(bench, "corrected", { limit: "0" });
    writeSync(refused.writer, Buffer.alloc(2000));
    await counted(bench, refused, 2000);
    const xenstore = await bench.daemon.xenstore();
    await xenstore.write(`${refused.base}/limit`, "65536");
    await xenstore.rm(`${refused.base}/state`);
    await waitFor("ready", () => said(bench, "StreamOpened").length > 0);
    assert.equal(said(bench, "RefusedDrained")[0]?.["droppedBytes"], 2000);
    closeSync(refused.writer);
  });

  // contract: C30, C44
  it("has an event for each answer, and one if a toolstack has written `failed` itself", async () => {
    await using bench = await Bench.start();
    const refused = await request(bench, "twice", { limit: "0" });
    await waitFor("the answer", () => said(bench, "StreamRefused").length === 1);
    const xenstore = await bench.daemon.xenstore();
    await xenstore.rm(`${refused.base}/state`);
    await waitFor("the second answer", () => said(bench, "StreamRefused").length === 2);
    const own = await request(bench, "own", { state: "failed", error: "by itself" });
    await waitFor("the event", () => said(bench, "StreamRefused").length === 3);
    assert.equal(said(bench, "StreamRefused")[2]?.["reason"], "by itself");
    const foreign = { file: "/etc/passwd" };
    const elsewhere = await request(bench, "elsewhere", foreign);
    await waitFor("the event", () => said(bench, "StreamRefused").length === 4);
    const last = said(bench, "StreamRefused")[3];
    assert.deepEqual([last?.["name"], last?.["file"]], ["elsewhere", "/etc/passwd"]);
    for (const { writer } of [refused, own, elsewhere]) closeSync(writer);
  });
});

describe("a request that another domain may write", () => {
  // contract: C28, C82
  it("has an event with the node, the reason and its log, and no answer", async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const xenstore = await daemon.xenstore();
    const found = await request(bench, "untrusted", { limit: "" });
    await xenstore.setPermissions(`${found.base}/limit`, [
      { domid: 0, access: "n" },
      { domid: found.domid, access: "w" },
    ]);
    await xenstore.rm(`${found.base}/state`);
    await xenstore.write(`${found.base}/limit`, "65536");
    await waitFor("the event", () => said(bench, "StreamUntrusted").length > 0);
    const path = `${found.base}/limit`;
    const reason = `domain ${found.domid} may write it`;
    const { name, log, file, ...event } = said(bench, "StreamUntrusted")[0] ?? { msg: "" };
    assert.deepEqual([event["path"], event["reason"]], [path, reason]);
    assert.deepEqual(
      [name, log, file],
      ["untrusted", "console", daemon.logPath("untrusted-console.log")],
    );
    closeSync(found.writer);
  });
});
