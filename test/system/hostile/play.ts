// SPDX-License-Identifier: Apache-2.0
// Plays a row against the daemon: writes the request, waits for the answer, and compares all that is
// on disk and in the store with what was there before.

import assert from "node:assert/strict";
import { existsSync, writeSync } from "node:fs";
import type { StreamStatus } from "../../../src/control/index.ts";
import { bytesReadable } from "../../../src/kernel/index.ts";
import type { XenstorePermission } from "../../../src/xenstore/index.ts";
import { wholeLog } from "../../support/chain.ts";
import { waitFor } from "../../support/wait.ts";
import { barrier, barrierRoot } from "./barrier.ts";
import { differences, type Listing, listFiles, listNames, listNodes } from "./listing.ts";
import type { Site } from "./site.ts";
import type { Answer, Nodes, Row } from "./table.ts";

/** More than a loaded machine needs; an answer that does not come is a fault. */
const answerMs = 5000;

interface Before {
  readonly files: Listing;
  readonly names: Listing;
  readonly nodes: Listing;
}

/** Resolves with the first answer, when all is as it has to be. */
export async function play(row: Row, site: Site): Promise<Answer> {
  const base = row.at?.(site) ?? site.base;
  try {
    if (row.fifo !== "absent") site.makePipe();
    await row.prepare?.(site);
    const before = await lookAround(site, base);
    await write(site, base, { ...goodNodes(site), ...row.nodes?.(site) }, row.permissions ?? {});
    const { answer } = row;
    await expectAnswer(site, base, answer(site));
    let epoch = await epochOf(site);
    await expectUnchanged(row, site, base, answer(site), before);
    for (const step of row.steps ?? []) {
      await write(site, base, step.nodes(site), {});
      await expectAnswer(site, base, step.answer(site));
      if (step.answer(site).kind === "goesOn")
        assert.equal(await epochOf(site), epoch, "the epoch");
      epoch = await epochOf(site);
    }
    const last = row.steps?.at(-1)?.answer ?? answer;
    await expectBytes(site, last(site));
    await site.neighbour?.logsOn();
    await row.check?.(site);
    await takeBack(site, base);
    await site.neighbour?.logsOn();
    return answer(site);
  } finally {
    await takeBack(site, base);
    await removeNeighbour(site);
    site.remove();
  }
}

function goodNodes({ pipe, file }: Site): Nodes {
  return { pipe, file, limit: "65536", copies: "2" };
}

async function write(
  site: Site,
  base: string,
  nodes: Nodes,
  permissions: Readonly<Record<string, string>>,
): Promise<void> {
  const client = await site.daemon.xenstore();
  await client.transaction(async (transaction) => {
    for (const [name, value] of Object.entries(nodes)) {
      if (value === undefined) await transaction.rm(`${base}/${name}`);
      else await transaction.write(`${base}/${name}`, value);
    }
    for (const [name, text] of Object.entries(permissions)) {
      const path = name === "" ? base : `${base}/${name}`;
      await transaction.setPermissions(path, text.split(",").map(permissionOf));
    }
  });
}

function permissionOf(text: string): XenstorePermission {
  return { access: text.charAt(0) as XenstorePermission["access"], domid: Number(text.slice(1)) };
}

async function lookAround(site: Site, base: string): Promise<Before> {
  const client = await site.daemon.xenstore();
  const own = base.split("/").slice(0, 3).join("/");
  return {
    files: listFiles(site.runRoot, site.logRoot),
    names: ownNames(site),
    nodes: await listNodes(client, "/", (path) => path === own || path === barrierRoot),
  };
}

/** The daemon's table; the process that keeps the FIFOs follows the streams a little later. */
function ownNames(site: Site): Listing {
  const names = listNames(site.daemon.tableDirectory);
  return new Map([...names].filter(([path]) => !path.includes("fifo-keeper")));
}

async function expectAnswer(site: Site, base: string, expected: Answer): Promise<void> {
  const client = await site.daemon.xenstore();
  const answerOf = async (): Promise<string> => {
    const state = await client.readIfExists(`${base}/state`);
    const error = await client.readIfExists(`${base}/error`);
    return `${state ?? "no answer"}${error === undefined ? "" : `: ${error}`}`;
  };
  const comesTo = async (wanted: string): Promise<void> => {
    const isDone = async (): Promise<boolean> => (await answerOf()) === wanted;
    const isOther = async (): Promise<boolean> => (await answerOf()) !== "no answer";
    // Another answer than the one that is wanted gets time to become it, but not all the time.
    await waitFor("an answer", isOther, answerMs).catch(() => {});
    if (!(await isDone())) await barrier(site.daemon);
    if (!(await isDone())) await waitFor("the answer", isDone, 250).catch(() => {});
    assert.equal(await answerOf(), wanted);
  };
  switch (expected.kind) {
    case "refused":
      await comesTo(`failed${expected.error === undefined ? "" : `: ${expected.error}`}`);
      break;
    case "accepted":
      await comesTo("ready");
      break;
    case "goesOn":
      await barrier(site.daemon);
      await comesTo(`ready${expected.error === undefined ? "" : `: ${expected.error}`}`);
      break;
    case "waits":
    case "noRequest":
    case "untrusted":
      await barrier(site.daemon);
      assert.equal(await answerOf(), "no answer");
      assert.deepEqual(
        eventsOf(site),
        expected.kind === "untrusted" ? [untrustedEvent(base, expected)] : [],
      );
      assert.equal(await streamOf(site), undefined, "there is no stream");
      break;
  }
}

/** What the daemon has said about the row's request, without time and level. */
function eventsOf(site: Site): readonly string[] {
  const own = site.daemon.events.filter(({ key }) => key === site.key);
  return own.map(({ msg, path, reason }) => JSON.stringify({ msg, path, reason }));
}

function untrustedEvent(base: string, answer: Extract<Answer, { kind: "untrusted" }>): string {
  const path = answer.node === "" ? base : `${base}/${answer.node}`;
  return JSON.stringify({ msg: "StreamUntrusted", path, reason: answer.reason });
}

async function streamOf(site: Site): Promise<StreamStatus | undefined> {
  const streams = await site.daemon.control.streams({ all: false });
  return streams.find(({ domid }) => domid === site.domid);
}

async function epochOf(site: Site): Promise<string | undefined> {
  return (await streamOf(site))?.epoch;
}

async function expectUnchanged(
  row: Row,
  site: Site,
  base: string,
  answer: Answer,
  before: Before,
): Promise<void> {
  const now = await lookAround(site, base);
  assert.deepEqual(differences(before.nodes, now.nodes), [], "all other nodes are as they were");
  if (answer.kind !== "accepted" && answer.kind !== "goesOn") {
    assert.deepEqual(differences(before.files, now.files), [], "all files are as they were");
    assert.deepEqual(differences(before.names, now.names), [], "the daemon's table is as it was");
    return;
  }
  const changes = [site.file, ...(row.changes ?? []).map((name) => `${site.log}/${name}`)];
  const others = [...before.files].filter(
    ([path]) => !(changes.includes(path) || path === site.log || path === site.run),
  );
  const kept = new Map(others.map(([path]) => [path, now.files.get(path) ?? "gone"]));
  assert.deepEqual(differences(new Map(others), kept), [], "all other files are as they were");
}

async function expectBytes(site: Site, answer: Answer): Promise<void> {
  const { writer } = site;
  if (writer === undefined) return;
  const text = "the row's own line, which is either in the log or counted\n";
  if (answer.kind === "refused" && answer.drained) {
    writeSync(writer, text);
    const counted = async (): Promise<boolean> =>
      ((await streamOf(site))?.droppedBytes["refused"] ?? 0) === Buffer.byteLength(text);
    await waitFor("the bytes of a refused request, counted", counted, 1000);
  } else if (answer.kind === "accepted" || answer.kind === "goesOn") {
    const file = (await streamOf(site))?.file ?? site.file;
    for (let line = 0; line < 30; line += 1) {
      writeSync(writer, text);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const isThere = (): boolean =>
      existsSync(file) && wholeLog(file).toString().endsWith(text.repeat(30));
    await waitFor("the row's lines in its log", isThere, 1500);
  } else {
    const waiting = bytesReadable(writer);
    writeSync(writer, text);
    await barrier(site.daemon);
    const taken = waiting + Buffer.byteLength(text) - bytesReadable(writer);
    assert.equal(taken, 0, "nobody reads a FIFO that is not one of a good request");
  }
}

/** As a toolstack does: nodes, then writer and FIFO. */
async function takeBack(site: Site, base: string): Promise<void> {
  const client = await site.daemon.xenstore();
  await client.rm(base);
  await client.rm(base.split("/").slice(0, 3).join("/"));
  site.closeWriter();
  await barrier(site.daemon);
  await waitFor(
    "the end of the row's stream",
    async () => (await streamOf(site)) === undefined,
    answerMs,
  );
}

async function removeNeighbour(site: Site): Promise<void> {
  const { neighbour } = site;
  if (neighbour === undefined) return;
  await neighbour.removeNodes();
  neighbour.close();
  const isGone = async (): Promise<boolean> =>
    (await site.daemon.control.streams({ all: false })).every(
      ({ domid }) => domid !== site.domid + 1,
    );
  await waitFor("the end of the neighbour's stream", isGone, answerMs);
}
