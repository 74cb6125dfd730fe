// SPDX-License-Identifier: Apache-2.0
// The server's building blocks: the persistent map, the queue of a client, the snapshot.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createDecoder } from "../../../src/xenstore/decoder.ts";
import { messageName, messageType } from "../../../src/xenstore/message.ts";
import {
  type Children,
  deleteChild,
  entriesOf,
  getChild,
  noChildren,
  setChild,
} from "../../../src/xenstore/server/children.ts";
import { createOutbox, type Outbox } from "../../../src/xenstore/server/outbox.ts";
import { formatSnapshot, parseSnapshot } from "../../../src/xenstore/server/snapshot.ts";
import { createStore } from "../../../src/xenstore/server/store.ts";
import { scenario } from "./scenario.ts";

const plain = (children: Children<number>): (readonly [string, number])[] =>
  Array.from(entriesOf(children), ({ name, value }) => [name, value] as const);

test("children are a sorted map, and an old map stays as it was", () => {
  const step = fc.record({
    name: fc.integer({ min: 0, max: 400 }).map((number) => `n${number}`),
    remove: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 1500, size: "max" }), (steps) => {
      const model = new Map<string, number>();
      let children = noChildren<number>();
      for (const [serial, { name, remove }] of steps.entries()) {
        const before = children;
        const known = model.get(name);
        children = remove ? deleteChild(children, name) : setChild(children, name, serial);
        if (remove) model.delete(name);
        else model.set(name, serial);
        assert.equal(getChild(before, name), known);
        assert.equal(getChild(children, name), model.get(name));
        assert.equal(children.count, model.size);
      }
      const sorted = [...model].sort(([one], [other]) => (one < other ? -1 : 1));
      assert.deepEqual(plain(children), sorted);
    }),
    { numRuns: 30 },
  );
});

function sent(outbox: Outbox): string[] {
  const decoder = createDecoder(4096);
  const texts: string[] = [];
  for (let batch = outbox.take(); batch !== undefined; batch = outbox.take()) {
    for (const { type, payload } of decoder.push(batch).messages) {
      texts.push(`${messageName(type)} ${Buffer.from(payload).toString().replaceAll("\0", "|")}`);
    }
  }
  return texts;
}

test("equal events that are still queued are merged, also across a reply", () => {
  const outbox = createOutbox();
  outbox.addEvent("/a", "t", true);
  outbox.addEvent("/b", "t", true);
  outbox.addReply({ type: messageType("WRITE"), reqId: 1, txId: 0, payload: Buffer.from("OK\0") });
  outbox.addEvent("/a", "t", true);
  outbox.addEvent("/a", "u", true);
  outbox.addEvent("@x", "t", false);
  outbox.addEvent("@x", "t", false);
  const first = ["WATCH_EVENT /a|t|", "WATCH_EVENT /b|t|", "WRITE OK|", "WATCH_EVENT /a|u|"];
  assert.deepEqual(sent(outbox), [...first, "WATCH_EVENT @x|t|", "WATCH_EVENT @x|t|"]);
  assert.equal(outbox.queuedBytes, 0);
  outbox.addEvent("/a", "t", true);
  assert.deepEqual(sent(outbox), ["WATCH_EVENT /a|t|"], "what has left is not merged into");
});

test("a long queue leaves in batches, in order and complete", () => {
  const outbox = createOutbox();
  const paths = Array.from({ length: 5000 }, (_, number) => `/node/${number}`);
  for (const path of paths) outbox.addEvent(path, "t", true);
  assert.ok((outbox.take()?.byteLength ?? 0) <= 64 * 1024);
  assert.equal(sent(outbox).at(-1), "WATCH_EVENT /node/4999|t|");
});

test("a snapshot brings back values of any bytes, permissions, domains and empty nodes", () => {
  const { arrange, store } = scenario();
  arrange("a INTRODUCE 5|1|2|", 'a WRITE /a/b|\u00ff\u0001\n"x', "a WRITE /__proto__/x|v");
  arrange("a SET_PERMS /a|n5|r0|w9|", "a WRITE /a/c|", "a SET_PERMS @releaseDomain|n0|r5|");
  const text = formatSnapshot(store);
  const loaded = parseSnapshot(text);
  assert.equal(formatSnapshot(loaded), text);
  assert.match(text, /w9 ignored/);
  assert.equal(formatSnapshot(parseSnapshot(formatSnapshot(createStore()))).includes("tool"), true);
  for (const broken of ["", "{}", "null", '{"version":2}', text.slice(0, -1)]) {
    assert.throws(() => parseSnapshot(broken));
  }
});
