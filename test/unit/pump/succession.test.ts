// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { StreamState } from "../../../src/pump/stream-state.ts";
import {
  type Claim,
  decideSuccession,
  type Holding,
  type Succession,
} from "../../../src/pump/succession.ts";

const free: Claim = {
  sequence: 5,
  reader: undefined,
  owner: undefined,
  leftovers: "none",
  waitedMs: 0,
};
const noSpace = { cause: "diskFull", reason: "no space" } as const;
const logging: StreamState = { kind: "logging" };
const lastWords: StreamState = { kind: "lastWords" };
const stalled: StreamState = { kind: "stalled", nodes: "gone", ...noSpace };

function stream(epoch: string, state: StreamState, sequence = 4): Holding {
  return { epoch, sequence, state };
}

const one = stream("aa", logging);

describe("a request for a FIFO and a file", () => {
  const cases: [string, Partial<Claim>, Succession["kind"]][] = [
    ["gets what no stream has", {}, "open"],
    [
      "of a FIFO with a newer request is refused",
      { reader: stream("aa", logging, 6) },
      "refuseRenewed",
    ],
    [
      "of a FIFO with a newer request is refused, also while that is stalled",
      { reader: stream("aa", stalled, 6), leftovers: "mustGoFirst" },
      "refuseRenewed",
    ],
    ["takes the FIFO over from an older one", { reader: one, owner: one }, "renew"],
    ["takes the FIFO over for another file", { reader: one }, "renew"],
    ["takes it over in its last words, too", { reader: stream("aa", lastWords) }, "renew"],
    [
      "takes over a FIFO whose bytes are discarded",
      { reader: stream("aa", { kind: "discarding" }) },
      "renew",
    ],
    [
      "of one's FIFO and another's file ends the first and leaves the second",
      { reader: one, owner: stream("bb", logging) },
      "renewWithoutFile",
    ],
    [
      "of one's FIFO and another's file does so also after the grace",
      { reader: one, owner: stream("bb", lastWords), waitedMs: 9999 },
      "renewWithoutFile",
    ],
    [
      "waits for bytes that its FIFO's stream has in a stage",
      { reader: stream("aa", stalled) },
      "wait",
    ],
    // contract: C105
    [
      "waits for bytes that the file's owner has in a stage, however long",
      { owner: stream("aa", stalled), waitedMs: 9999 },
      "wait",
    ],
    [
      "waits for them also when that has nodes",
      {
        owner: stream("aa", { kind: "stalled", nodes: "present", ...noSpace }),
      },
      "wait",
    ],
    [
      "takes the file of one whose bytes are dropped, like that of any other",
      { owner: stream("aa", { kind: "dropping", nodes: "gone", ...noSpace }), waitedMs: 2000 },
      "takeOver",
    ],
    [
      "is refused the file of one whose bytes are dropped and that has nodes",
      { owner: stream("aa", { kind: "dropping", nodes: "present", ...noSpace }), waitedMs: 9999 },
      "refuseOwned",
    ],
    ["waits for what a killed pump left for the file", { leftovers: "mustGoFirst" }, "wait"],
    [
      "waits for it before it takes over anything",
      { reader: one, owner: one, leftovers: "mustGoFirst" },
      "wait",
    ],
    ["of a file whose owner has nodes is refused", { owner: one, waitedMs: 9999 }, "refuseOwned"],
    ["waits for the owner's last words", { owner: stream("aa", lastWords) }, "wait"],
    // contract: C71
    ["waits 2 s for them", { owner: stream("aa", lastWords), waitedMs: 1999 }, "wait"],
    ["and no longer", { owner: stream("aa", lastWords), waitedMs: 2000 }, "takeOver"],
  ];
  for (const [name, claim, kind] of cases) {
    it(name, () => assert.equal(decideSuccession({ ...free, ...claim }).kind, kind));
  }
});
