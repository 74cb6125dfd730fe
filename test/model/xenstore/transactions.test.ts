// SPDX-License-Identifier: Apache-2.0
// Random requests of three clients, with transactions and watches, on the server's rules and on a
// reference that decides everything by comparing times. XENLOGD_TEST_RUNS=100000 is the long
// version; a failure prints its seed and path.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { scenario } from "../../unit/xenstore/scenario.ts";
import { Reference } from "./reference.ts";

const runs = Number(process.env["XENLOGD_TEST_RUNS"] ?? 1000);
const clients = ["a", "b", "c"] as const;
const paths = ["/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f", "/e/f/g"];
const changing = ["READ", "DIRECTORY", "WRITE", "WRITE", "RM"];
const rare = ["START", "COMMIT", "COMMIT", "ABORT", "WATCH", "WATCH", "UNWATCH"];

const step = fc.record({
  client: fc.constantFrom(...clients),
  verb: fc.constantFrom(...changing, ...changing, ...rare),
  path: fc.constantFrom(...paths),
  value: fc.constantFrom("1", "2"),
  isInside: fc.boolean(),
});

test("any mixture of requests, transactions and watches has the outcome of the reference", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const { play, arrange } = scenario();
      arrange("x RM /tool|");
      const reference = new Reference();
      const ids = new Map<string, string>();
      for (const { client, verb, path, value, isInside } of steps) {
        const id = ids.get(client);
        if (verb === "START" ? id !== undefined : /COMMIT|ABORT/.test(verb) && id === undefined) {
          continue;
        }
        const within = isInside && id !== undefined;
        // What a transaction reads that can no longer be committed is its own affair.
        const isDoomed = within && reference.isDoomed(client) && !/WATCH|COMMIT|ABORT/.test(verb);
        const expected = reference.request(client, verb, path, value, within);
        const lines = play(requestText(client, verb, path, value, id, within));
        const reply = lines.find((line) => line.includes("< "))?.slice(`${client}< `.length) ?? "";
        if (verb === "START") ids.set(client, reply.slice(0, -1));
        if (verb === "COMMIT" || verb === "ABORT") ids.delete(client);
        const at = `${client} ${verb} ${path}`;
        const told = lines
          .filter((line) => line.includes("* "))
          .map((line) => line.replace("*", ""));
        assert.deepEqual(new Set(told), reference.told, at);
        assert.equal(told.length, reference.told.size, at);
        const shown = verb === "DIRECTORY" ? reply.replace(/\|$/, "") : reply;
        if (verb !== "START" && !isDoomed) assert.equal(shown, expected, at);
      }
      for (const path of paths) {
        const expected = reference.nodes.get(path)?.value ?? "!ENOENT";
        assert.deepEqual(play(`x READ ${path}|`), [`x< ${expected}`]);
      }
    }),
    { numRuns: runs },
  );
});

function requestText(
  client: string,
  verb: string,
  path: string,
  value: string,
  id: string | undefined,
  within: boolean,
): string {
  const at = within ? `#${id}` : "";
  switch (verb) {
    case "START":
      return `${client} TRANSACTION_START |`;
    case "COMMIT":
    case "ABORT":
      return `${client} TRANSACTION_END#${id} ${verb === "COMMIT" ? "T" : "F"}|`;
    case "WATCH":
    case "UNWATCH":
      return `${client} ${verb} ${path}|${path}|`;
    case "WRITE":
      return `${client} WRITE${at} ${path}|${value}`;
    default:
      return `${client} ${verb}${at} ${path}|`;
  }
}
