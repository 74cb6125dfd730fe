// SPDX-License-Identifier: Apache-2.0
// One cell of the table: a daemon with a log on the disk that fails and one beside it; what goes on
// while the disk takes nothing, and that all is well when the disk is.

import assert from "node:assert/strict";
import { writeSync } from "node:fs";
import { waitFor } from "../../support/wait.ts";
import { contentOf, type Log, type Site } from "./site.ts";

export type Moment = "running" | "start" | "restart";

/** What a daemon does while the disk takes nothing. */
export interface Conduct {
  /** Whether it starts; the sentence if not. */
  readonly start: string;
  /** What becomes of bytes for the log that is on the disk, and for the one beside it. */
  readonly there: string;
  readonly beside: string;
  /** A new request for a log beside the disk. */
  readonly request: string;
}

/** A log, and what its writer has been told was accepted. */
interface Spoken extends Log {
  accepted: string;
}

const waitMs = 30_000;
/** More than a block of any disk. */
const partBytes = 9000;

export async function play(site: Site, moment: Moment): Promise<Conduct> {
  const { daemon, disk } = site;
  await daemon.start();
  const logs: Spoken[] = [];
  if (moment === "start") {
    assert.equal(await daemon.stop(), 0);
  } else {
    for (const where of ["there", "beside"] as const) logs.push(await newLog(site, where, where));
    for (const log of logs) {
      speak(log, "1");
      await untilWhole(log);
    }
  }
  if (moment === "restart") await site.kill();
  disk.fail();
  for (const log of logs) speak(log, "2");
  if (moment !== "running") await daemon.start();
  const start = moment === "running" ? "goes on" : "starts";
  const conduct = { start, ...(await observe(site, logs)) };
  // Without a disk in its place the state would be an empty directory.
  if (site.isStateReplaced) assert.equal(await daemon.stop(), 0);
  disk.heal();
  if (site.isStateReplaced) await daemon.start();
  await afterwards(site, logs);
  return conduct;
}

/** Asks for a new log on each disk as well. */
async function observe(site: Site, logs: Spoken[]): Promise<Omit<Conduct, "start">> {
  const [there, beside] = logs;
  const request = await askFor(site, logs, "beside");
  if (there === undefined || beside === undefined) {
    return { there: await askFor(site, logs, "there"), beside: "-", request };
  }
  return { there: await fateOf(site, there), beside: await fateOf(site, beside), request };
}

async function askFor(site: Site, logs: Spoken[], where: "there" | "beside"): Promise<string> {
  try {
    const log = await newLog(site, `new-${where}`, where);
    logs.push(log);
    return await fateOf(site, log);
  } catch (error) {
    return `refused: ${error instanceof Error ? error.message : error}`;
  }
}

async function newLog(site: Site, name: string, where: "there" | "beside"): Promise<Spoken> {
  return { ...(await site.log(name, where)), accepted: "" };
}

/** Whether all its bytes are in the log, or what is said instead. */
async function fateOf(site: Site, log: Spoken): Promise<string> {
  await lookAtFate(site, log);
  // A pump may have written once before it finds that it cannot keep its record of that.
  speak(log, "2");
  return await lookAtFate(site, log);
}

async function lookAtFate(site: Site, log: Spoken): Promise<string> {
  return await waitFor(
    `the fate of ${log.handle.file}`,
    async () => {
      if (contentOf(log) === log.accepted) return "logs";
      const streams = await site.daemon.control.streams({ all: false });
      const stream = streams.find(({ file }) => file === log.handle.file);
      if (stream === undefined) return undefined;
      const { stalled, error } = stream;
      return stalled !== null ? `waits: ${stalled.reason}` : error !== null && `waits: ${error}`;
    },
    waitMs,
  );
}

/** Every byte that was accepted is in the logs, once; new logs are served; a stop leaves nothing. */
async function afterwards(site: Site, logs: readonly Spoken[]): Promise<void> {
  const { daemon } = site;
  const later: Spoken[] = [];
  for (const where of ["there", "beside"] as const) {
    // The embedded store, for one, tries its disk again every two seconds.
    const log = await waitFor(
      `a log ${where}`,
      () => orRefused(newLog(site, `later-${where}`, where)),
      waitMs,
    );
    later.push(log);
  }
  for (const log of [...logs, ...later]) {
    speak(log, "3");
    await untilWhole(log);
  }
  for (const log of [...logs, ...later]) await site.remove(log);
  await waitFor("no log", async () => (await daemon.control.streams({ all: false })).length === 0);
  assert.equal(await daemon.stop(), 0);
  await waitFor(`no process of ${site.left()}`, () => site.left().length === 0);
}

function speak(log: Spoken, digit: string): void {
  const part = `${digit.repeat(partBytes)}\n`;
  assert.equal(writeSync(log.writer, part), part.length);
  log.accepted += part;
}

async function untilWhole(log: Spoken): Promise<void> {
  await waitFor(`all of ${log.handle.file}`, () => contentOf(log) === log.accepted, waitMs).catch(
    (error: unknown) => {
      const found = contentOf(log)?.replace(/(.)\1+/g, (run, digit) => `${digit}*${run.length}`);
      throw new Error(`the log is ${JSON.stringify(found)}`, { cause: error });
    },
  );
}

async function orRefused<T>(act: Promise<T>): Promise<T | undefined> {
  try {
    return await act;
  } catch {
    return undefined;
  }
}
