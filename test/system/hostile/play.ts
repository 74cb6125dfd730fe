// SPDX-License-Identifier: Apache-2.0
// Plays a row against the daemon: writes the request, waits for the answer, and compares all that is
// on disk and in the store with what was there before.

import assert from "node:assert/strict";
import { readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { StreamStatus } from "../../../src/control/index.ts";
import { bytesReadable } from "../../../src/kernel/index.ts";
import type { XenstoreClient, XenstorePermission } from "../../../src/xenstore/index.ts";
import { waitFor } from "../../support/wait.ts";
import { barrier, barrierRoot, lookOnce } from "./barrier.ts";
import { differences, type Listing, listFiles, listNames, listNodes } from "./listing.ts";
import { expectOneReader } from "./one-reader.ts";
import type { Site } from "./site.ts";
import type { Answer, Nodes, Row } from "./table.ts";

/** More than a loaded machine needs; an answer that does not come is a fault. */
const answerMs = 5000;
const stepMs = 500;
/** Each is a write of its own, so that another reader of the FIFO would get some of them. */
const linesAtOnce = 30;

/** Directories that are there before the first row, and after the last one. */
export const keptDirectories: readonly string[] = ["/libxl", "/local", "/local/domain", "/vm"];

interface Before {
  readonly files: Listing;
  readonly names: Listing;
  readonly nodes: Listing;
}

/** Resolves with the first answer, when all is as it has to be. */
export async function play(row: Row, site: Site): Promise<Answer> {
  site.place(row.at?.(site));
  const { base } = site;
  let isTaken = true;
  try {
    if (row.fifo !== "absent") site.makePipe();
    await row.prepare?.(site);
    const before = await lookAround(site, base);
    await write(site, base, { ...goodNodes(site), ...row.nodes?.(site) }, row.permissions ?? {});
    const { answer } = row;
    await expectAnswer(site, base, answer(site), true);
    let epoch = await epochOf(site);
    await expectUnchanged(row, site, base, answer(site), before);
    for (const step of row.steps ?? []) {
      await write(site, base, step.nodes(site), {});
      await expectAnswer(site, base, step.answer(site), false);
      const now = await epochOf(site);
      if (step.answer(site).kind === "goesOn") assert.equal(now, epoch, "the epoch goes on");
      if (step.answer(site).kind === "accepted") assert.notEqual(now, epoch, "a new epoch");
      epoch = now;
    }
    const last = row.steps?.at(-1)?.answer ?? answer;
    // What was refused and then removed is still drained, as long as it has a writer.
    if (row.steps === undefined || last(site).kind !== "waits") await expectBytes(site, last(site));
    await row.check?.(site);
    await site.neighbour?.logsOn();
    await takeBack(site, base);
    isTaken = site.neighbour !== undefined;
    await site.neighbour?.logsOn();
    return answer(site);
  } finally {
    await site.neighbour?.removeNodes();
    site.neighbour?.close();
    if (isTaken) await takeBack(site, base);
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
  const own = base
    .split("/")
    .slice(0, base.startsWith("/local/") ? 4 : 3)
    .join("/");
  return {
    files: listFiles(site.runRoot, site.logRoot),
    names: ownNames(site),
    nodes: await listNodes(client, "/", (path) => path === own || path === barrierRoot),
  };
}

/** The daemon's table. */
function ownNames(site: Site): Listing {
  return listNames(site.daemon.tableDirectory);
}

async function expectAnswer(
  site: Site,
  base: string,
  expected: Answer,
  isFirst: boolean,
): Promise<void> {
  const client = await site.daemon.xenstore();
  const answerOf = async (): Promise<string> => {
    const state = await client.readIfExists(`${base}/state`);
    const error = await client.readIfExists(`${base}/error`);
    return `${state ?? "no answer"}${error === undefined ? "" : `: ${error}`}`;
  };
  const comesTo = async (wanted: string, patienceMs: number): Promise<void> => {
    const isDone = async (): Promise<boolean> => (await answerOf()) === wanted;
    const isOther = async (): Promise<boolean> => /^(ready|failed)/.test(await answerOf());
    await waitFor("an answer", isOther, answerMs).catch(() => {});
    if (!(await isDone())) await barrier(site.daemon);
    await waitFor("the answer", isDone, patienceMs).catch(() => {});
    assert.equal(await answerOf(), wanted);
  };
  // A first answer is the only one; in a later step it may still be the one before.
  const patienceMs = isFirst ? 0 : stepMs;
  switch (expected.kind) {
    case "refused":
      await comesTo(
        `failed${expected.error === undefined ? "" : `: ${expected.error}`}`,
        patienceMs,
      );
      break;
    case "accepted":
      await comesTo("ready", patienceMs);
      // A toolstack may have written `ready` itself.
      await waitFor("the stream", async () => (await streamOf(site))?.state === "ready", answerMs);
      break;
    case "goesOn":
      await barrier(site.daemon);
      await comesTo(
        `ready${expected.error === undefined ? "" : `: ${expected.error}`}`,
        patienceMs,
      );
      break;
    case "waits":
    case "noRequest":
    case "untrusted":
      await barrier(site.daemon);
      assert.equal(await answerOf(), expected.kind === "untrusted" ? expected.stays : "no answer");
      assert.deepEqual(
        // The refusal of an earlier step has had its event.
        eventsOf(site).filter((event) => isFirst || !event.includes('"StreamRefused"')),
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
  return streams.find(({ domid, id }) => `${domid ?? "host"}/${id}` === site.key);
}

async function epochOf(site: Site): Promise<string | undefined> {
  return (await streamOf(site))?.epoch;
}

/**
 * The daemon's table is as it was, with some counters more. Waits: there is one for a moment for a FIFO that
 * turns out to be none to drain.
 */
async function expectTable(site: Site, before: Listing, countersMax: number): Promise<void> {
  const isCounter = (line: string): boolean => line.includes("/refused/");
  let changed: readonly string[] = [];
  const isAsExpected = (): boolean => {
    changed = differences(before, ownNames(site));
    // A counter that is gone was an earlier row's.
    const isNew = (line: string): boolean => line.includes("has appeared");
    return changed.every(isCounter) && changed.filter(isNew).length <= countersMax;
  };
  await waitFor("the daemon's table as it was", isAsExpected).catch((cause: unknown) => {
    throw new Error(`the daemon's table: ${changed.join("; ")}`, { cause });
  });
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
    const isCounted = answer.kind === "refused" && answer.drained;
    await expectTable(site, before.names, isCounted ? 1 : 0);
    return;
  }
  const changes = [site.file, ...(row.changes ?? []).map((name) => `${site.log}/${name}`)];
  const others = [...before.files].filter(
    ([path]) => !(path === site.log || path === site.run || changes.some(covers(path))),
  );
  const kept = new Map(others.map(([path]) => [path, now.files.get(path) ?? "gone"]));
  assert.deepEqual(differences(new Map(others), kept), [], "all other files are as they were");
}

function covers(path: string): (change: string) => boolean {
  return (change) => path === change || path.startsWith(`${change}/`);
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
    const stream = await streamOf(site);
    const before = stream?.writtenBytes ?? 0;
    await expectOneReader(site.daemon, writer, text);
    for (let line = 0; line < linesAtOnce; line += 1) {
      writeSync(writer, text);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const sent = (linesAtOnce + 1) * Buffer.byteLength(text);
    const written = async (): Promise<number> =>
      ((await streamOf(site))?.writtenBytes ?? 0) - before;
    await waitFor("the row's lines", async () => (await written()) >= sent, 1000).catch(() => {});
    assert.equal(await written(), sent, "all that was written is in the log");
    assert.ok(
      readFileSync(stream?.file ?? site.file)
        .toString()
        .endsWith(text),
    );
  } else {
    const waiting = bytesReadable(writer);
    writeSync(writer, text);
    await barrier(site.daemon);
    const taken = waiting + Buffer.byteLength(text) - bytesReadable(writer);
    assert.equal(taken, 0, "nobody reads a FIFO that is not one of a good request");
  }
}

/** As a toolstack does: nodes and empty directories, then writer and FIFO. */
async function takeBack(site: Site, base: string): Promise<void> {
  const client = await site.daemon.xenstore();
  for (const path of [...site.otherBases, base]) {
    await client.rm(path);
    await removeEmpty(client, dirname(path));
  }
  site.closeWriter();
  await lookOnce(site.daemon);
  await waitFor("the end of the row's streams", async () => !(await hasStreams(site)), answerMs);
}

async function removeEmpty(client: XenstoreClient, path: string): Promise<void> {
  const isKept = path === "/" || keptDirectories.includes(path);
  if (isKept || (await client.directoryIfExists(path))?.length !== 0) return;
  await client.rm(path);
  await removeEmpty(client, dirname(path));
}

/** Whether there is a stream of the row; that of a neighbour counts once that one is closed. */
async function hasStreams(site: Site): Promise<boolean> {
  const streams = await site.daemon.control.streams({ all: false });
  const served = site.neighbour?.isClosed === false ? site.domid + 1 : undefined;
  const others = streams.filter(({ domid, id }) => domid !== served || id !== 1);
  return others.some(({ pipe, file }) => site.has(pipe) || site.has(file));
}
