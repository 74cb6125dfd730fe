// SPDX-License-Identifier: Apache-2.0
// Hostile and wrong requests, each with its exact answer, against one real daemon. A request that is
// refused changes nothing, and no request touches another one.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { TestDaemon } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";
import { keptDirectories, play } from "./play.ts";
import { copies } from "./rows/copies.ts";
import { decoys } from "./rows/decoys.ts";
import { encodings } from "./rows/encodings.ts";
import { files } from "./rows/files.ts";
import { neighbours } from "./rows/neighbours.ts";
import { numbers } from "./rows/numbers.ts";
import { permissions } from "./rows/permissions.ts";
import { pipes } from "./rows/pipes.ts";
import { places } from "./rows/places.ts";
import { changes, states } from "./rows/states.ts";
import { words } from "./rows/words.ts";
import { Site } from "./site.ts";
import { expectMark, type Kind, type Row } from "./table.ts";

const kinds: readonly Kind[] = [
  numbers,
  words,
  encodings,
  pipes,
  files,
  decoys,
  copies,
  places,
  permissions,
  states,
  changes,
  neighbours,
];

const isRoot = process.getuid?.() === 0;
let daemon: TestDaemon;
let descriptorsBefore: readonly number[];
let played = 0;
/** Rows that were refused without an event that says so. */
const unheard: string[] = [];

before(async () => {
  daemon = await TestDaemon.start();
  const client = await daemon.xenstore();
  for (const path of keptDirectories) await client.mkdir(path);
  // A node cannot be given to a domain that is not there.
  for (const domid of [5, 7]) await client.introduce(domid, 1, 1);
  descriptorsBefore = countDescriptors();
});
after(() => daemon[Symbol.asyncDispose]());

for (const { kind, rows } of kinds) {
  describe(kind, () => {
    for (const row of rows) {
      it(row.it, optionsOf(row), () => expectMark(row, () => playOne(row, kind)));
    }
  });
}

describe("after all of them", () => {
  it("the table has at least 200 rows, each with a name of its own", () => {
    const names = kinds.flatMap(({ kind, rows }) => rows.map((row) => `${kind} ${row.it}`));
    assert.ok(names.length >= 200, `${names.length} rows`);
    assert.equal(new Set(names).size, names.length);
  });

  it("the daemon and its pump are the same, with the descriptors that they had", async () => {
    const pumps = daemon.events.filter(({ msg }) => msg === "PumpStarted");
    assert.equal(pumps.length, 1);
    const [main = 0, pump = 0] = descriptorsBefore;
    // The pump makes one pipe when it looks for the first line end, and keeps it.
    const expected = [main, pump + 2];
    const isSame = (): boolean => `${countDescriptors()}` === `${expected}`;
    await waitFor("the descriptors", isSame, 3000).catch(() => {});
    assert.deepEqual(countDescriptors(), expected);
  });

  it("every refusal has had its event", () => assert.deepEqual(unheard, []));
});

function optionsOf(row: Row): { skip?: string } {
  return row.needs === "root" && !isRoot ? { skip: "needs root" } : {};
}

async function playOne(row: Row, kind: string): Promise<void> {
  played += 1;
  const site = new Site(daemon, played);
  const answer = await play(row, site);
  if (answer.kind === "refused" && answer.error !== undefined) {
    const isIt = (reason: unknown): boolean => reason === answer.error;
    const own = daemon.events.filter(({ msg, key }) => msg === "StreamRefused" && key === site.key);
    if (!own.some(({ reason }) => isIt(reason))) unheard.push(`${kind} ${row.it}`);
  }
}

/** Of the main process and of the pump. */
function countDescriptors(): readonly number[] {
  return [daemon.mainPid, daemon.pumpPid].map((pid) => readdirSync(`/proc/${pid}/fd`).length);
}
