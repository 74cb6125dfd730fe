// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Domid, LogfileId } from "../../../src/contract/index.ts";
import { LookQueue, type LookScope, scopesMax } from "../../../src/daemon/requests/look-queue.ts";

const everything: LookScope = { kind: "everything" };
const owner = (domid: number): LookScope => ({
  kind: "owner",
  owner: { kind: "domain", domid: domid as Domid },
});
const logfile = (id: number): LookScope => ({
  kind: "logfile",
  key: { owner: { kind: "host" }, id: id as LogfileId },
});

/** A queue whose looks end when the test says so. */
function queueOf(): {
  readonly queue: LookQueue;
  readonly looks: (readonly LookScope[])[];
  readonly endLook: () => Promise<void>;
} {
  const looks: (readonly LookScope[])[] = [];
  const ends: (() => void)[] = [];
  const queue = new LookQueue((scopes) => {
    looks.push(scopes);
    return new Promise((resolve) => ends.push(resolve));
  });
  return {
    queue,
    looks,
    endLook: async () => {
      ends.shift()?.();
      await turns();
    },
  };
}

/** Two turns of the event loop: a look begins at the end of one. */
async function turns(): Promise<void> {
  for (let turn = 1; turn <= 2; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe("the queue of looks", () => {
  it("looks once at what was asked for in one turn, each scope once", async () => {
    const { queue, looks } = queueOf();
    for (const scope of [owner(1), logfile(1), owner(1), owner(2)]) void queue.add(scope);
    await turns();
    assert.deepEqual(looks, [[owner(1), logfile(1), owner(2)]]);
  });

  it("looks once at what comes while promises settle", async () => {
    const { queue, looks } = queueOf();
    for (const id of [1, 2, 3]) {
      void queue.add(logfile(id));
      for (let step = 1; step <= 10; step += 1) await Promise.resolve();
    }
    await turns();
    assert.deepEqual(looks, [[logfile(1), logfile(2), logfile(3)]]);
  });

  it("begins no look before the one before is over", async () => {
    const { queue, looks, endLook } = queueOf();
    void queue.add(owner(1));
    await turns();
    void queue.add(owner(2));
    void queue.add(owner(1));
    await turns();
    assert.equal(looks.length, 1);
    await endLook();
    assert.deepEqual(looks, [[owner(1)], [owner(2), owner(1)]]);
  });

  it("resolves after a look that began after the question", async () => {
    const { queue, endLook } = queueOf();
    void queue.add(owner(1));
    await turns();
    let isOver = false;
    // The same scope: the look that goes on may have read it already.
    void queue.add(owner(1)).then(() => {
      isOver = true;
    });
    await endLook();
    assert.equal(isOver, false);
    await endLook();
    assert.equal(isOver, true);
  });

  it("looks at everything instead of everything and more", async () => {
    const { queue, looks } = queueOf();
    for (const scope of [owner(1), everything, owner(2)]) void queue.add(scope);
    await turns();
    assert.deepEqual(looks, [[everything]]);
  });

  it("looks at everything when there is too much to look at", async () => {
    const { queue, looks, endLook } = queueOf();
    for (let id = 0; id < scopesMax; id += 1) void queue.add(logfile(id));
    await turns();
    assert.equal(looks[0]?.length, scopesMax);
    for (let id = 0; id <= scopesMax; id += 1) void queue.add(logfile(id));
    await endLook();
    assert.deepEqual(looks[1], [everything]);
  });

  it("passes on that a look has failed, also to later questions", async () => {
    const bug = new Error("a bug");
    const queue = new LookQueue(() => Promise.reject(bug));
    await assert.rejects(queue.add(everything), bug);
    await assert.rejects(queue.add(owner(1)), bug);
  });
});
