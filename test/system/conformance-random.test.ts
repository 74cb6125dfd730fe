// SPDX-License-Identifier: Apache-2.0
//
// Random requests of three clients and a domain, with watches and transactions, on the embedded server
// and on Debian's xenstored side by side: replies, events and their order are the same. What no
// table of cases thought of. XENLOGD_TEST_RUNS=10000 is the long version; a failure prints its seed.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc from "fast-check";
import { xenstoredParts } from "../support/xenstored.ts";
import { createPlayer } from "./conformance/player.ts";
import { startDebian, startEmbedded } from "./conformance/targets.ts";
import type { Target } from "./conformance/wire.ts";

const runs = Number(process.env["XENLOGD_TEST_RUNS"] ?? 60);
const parts = await xenstoredParts();
const skip = parts.found ? false : parts.reason;

const clients = ["a", "b", "c", "d5"] as const;
const paths = ["/w", "/w/x", "/w/x/y", "/w/z", "/v", "/v/u", "/local/domain/5/p"];
const path = fc.constantFrom(...paths);
/** Changed, the root would not be the same for the next run: C loses one that a domain owns. */
const pathOrRoot = fc.constantFrom(...paths, "/");
const permissions = fc.constantFrom("n0|", "r0|", "n0|r5|", "b0|", "n5|", "n0|b5|", "r5|w6|");

/** What a client does next; a transaction is named by its place among the client's open ones. */
const request = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(fc.constant("WRITE"), path, fc.constantFrom("1", "22")) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("RM"), path) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("MKDIR"), path) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom("READ", "DIRECTORY", "GET_PERMS"), pathOrRoot) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("SET_PERMS"), path, permissions) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("WATCH"), pathOrRoot, fc.constantFrom("s|", "t|")) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constant("UNWATCH"), pathOrRoot, fc.constantFrom("s|", "t|")),
  },
  { weight: 2, arbitrary: fc.constant(["TRANSACTION_START"] as const) },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constant("TRANSACTION_END"), fc.constantFrom("T|", "T|", "F|")),
  },
  { weight: 1, arbitrary: fc.constant(["RESET_WATCHES"] as const) },
);
const step = fc.record({
  client: fc.constantFrom(...clients),
  request,
  inside: fc.boolean(),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const start: readonly string[] = [
  "xen START 5",
  "a INTRODUCE 5|5|2005|",
  "a MKDIR /local/domain/5|",
  "a SET_PERMS /local/domain/5|n5|",
];

test("any mixture of requests is answered as Debian's xenstored does", { skip }, async () => {
  assert.ok(parts.found);
  const targets = await Promise.all([startEmbedded(), startDebian("c", parts)]);
  after(async () => {
    for (const target of targets) await target[Symbol.asyncDispose]();
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), async (steps) => {
      const texts = [...start, ...textsOf(steps)];
      const [embedded, c] = await Promise.all(targets.map((target) => playAll(target, texts)));
      for (const [number, text] of texts.entries()) {
        if (!isCommitted(texts, c ?? [], number)) continue;
        assert.deepEqual(embedded?.[number], c?.[number], `${text} (step ${number})`);
      }
    }),
    { numRuns: runs },
  );
});

/** Whether what a request inside a transaction saw came to anything. If not it is nobody's affair:
 * C xenstored mixes two times there, down to EIO. */
function isCommitted(
  texts: readonly string[],
  told: readonly (readonly string[])[],
  number: number,
): boolean {
  const [, client, id] = /^(\w+) [A-Z_]+#(\d+)/.exec(texts[number] ?? "") ?? [];
  if (id === undefined || texts[number]?.includes("TRANSACTION_END")) return true;
  const end = texts.indexOf(`${client} TRANSACTION_END#${id} T|`);
  return told[end]?.includes(`${client}< OK`) ?? false;
}

/** The lines of each step, those of one client together. */
async function playAll(target: Target, texts: readonly string[]): Promise<string[][]> {
  const player = createPlayer(target);
  try {
    const told: string[][] = [];
    for (const text of texts) {
      const lines = await player.play(text);
      told.push(clients.flatMap((client) => comparable(client, text, lines)));
    }
    return told;
  } finally {
    player.close();
    await target.end([5]);
  }
}

/** The embedded server sorts a node's children, C has them in the order of their making: so the
 * names of a listing, and the events of what removes several nodes, are compared as sets. */
function comparable(client: string, text: string, lines: readonly string[]): string[] {
  const own = lines.filter((line) => line.startsWith(client));
  if (/ (?:RM|TRANSACTION_END)/.test(text)) return own.sort();
  return / DIRECTORY/.test(text) ? own.map((line) => line.split(/[ |]/).sort().join()) : own;
}

function textsOf(steps: readonly Step[]): string[] {
  const open = new Map<string, { id: number; last: number }>();
  return steps.flatMap(({ client, request: [name, ...args], inside }) => {
    const known = open.get(client);
    const id = known?.id ?? 0;
    if (name === "TRANSACTION_START") {
      if (id !== 0) return [];
      const next = (known?.last ?? 0) + 1;
      open.set(client, { id: next, last: next });
      return [`${client} TRANSACTION_START |`];
    }
    if (name === "TRANSACTION_END") {
      if (known === undefined || id === 0) return [];
      known.id = 0;
      return [`${client} TRANSACTION_END#${id} ${args[0]}`];
    }
    if (name === "RESET_WATCHES") {
      if (known !== undefined) known.id = 0;
      return [`${client} RESET_WATCHES |`];
    }
    const within = inside && id !== 0 && !name.endsWith("WATCH") ? `#${id}` : "";
    return [`${client} ${name}${within} ${args[0]}|${args[1] ?? ""}`];
  });
}
