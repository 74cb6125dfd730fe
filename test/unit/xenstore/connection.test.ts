// SPDX-License-Identifier: Apache-2.0
// Requests and replies over a transport that the test plays.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Connection,
  type ConnectionRequest,
  openConnection,
} from "../../../src/xenstore/connection.ts";
import { XenstoreError } from "../../../src/xenstore/errors.ts";
import { messageType } from "../../../src/xenstore/message.ts";
import { type FakeTransport, fakeTransport } from "./fake-transport.ts";

const events: string[] = [];
const losses: Error[] = [];

async function open(fake: FakeTransport, requestTimeoutMs = 0): Promise<Connection> {
  events.length = 0;
  losses.length = 0;
  const onEvent = (path: string, token: string): void => {
    events.push(`${path} ${token}`);
  };
  const onLost = (cause: Error): void => {
    losses.push(cause);
  };
  return openConnection(fake.open, { onEvent, onLost }, requestTimeoutMs);
}

const read = (path: string): ConnectionRequest => ({
  name: "READ",
  txId: 0,
  payload: Buffer.from(`${path}\0`),
  path,
});

test("replies in any order reach the request with their id", async () => {
  const fake = fakeTransport();
  const connection = await open(fake);
  const replies = Promise.all(["/a", "/b", "/c"].map((path) => connection.request(read(path))));
  for (const index of [2, 0, 1]) fake.answer(index, `value ${index}`);
  assert.deepEqual((await replies).map(String), ["value 0", "value 1", "value 2"]);
});

test("no more requests than the transport allows are in flight", async () => {
  const fake = fakeTransport(1);
  const connection = await open(fake);
  const replies = [connection.request(read("/a")), connection.request(read("/b"))];
  assert.equal(fake.sent.length, 1);
  fake.answer(0, "one");
  assert.equal(fake.sent.length, 2);
  fake.answer(1, "two");
  assert.deepEqual((await Promise.all(replies)).map(String), ["one", "two"]);
});

test("an error reply rejects with its code, path and a sentence", async () => {
  const fake = fakeTransport();
  const connection = await open(fake);
  const refused = connection.request(read("/a"));
  fake.refuse(0, "EACCES");
  await assert.rejects(refused, {
    name: "XenstoreError",
    code: "EACCES",
    path: "/a",
    message: "xenstore READ /a: permission denied (EACCES)",
  });
  const unknown = connection.request(read("/a"));
  fake.refuse(1, "EWHATEVER");
  await assert.rejects(unknown, { code: "EINVAL" });
});

test("an empty or long request is refused without being sent", async () => {
  const fake = fakeTransport();
  const connection = await open(fake);
  const of = (bytes: number): ConnectionRequest => ({
    ...read("/a"),
    payload: Buffer.alloc(bytes),
  });
  await assert.rejects(connection.request(of(0)), { code: "EINVAL" });
  await assert.rejects(connection.request(of(4097)), { code: "E2BIG" });
  assert.equal(fake.sent.length, 0);
});

test("a late reply of a request that timed out goes to nobody", async () => {
  const fake = fakeTransport();
  const connection = await open(fake, 1);
  await assert.rejects(connection.request(read("/slow")), { code: "TIMEOUT", path: "/slow" });
  const next = connection.request(read("/next"));
  fake.answer(0, "late");
  fake.answer(1, "in time");
  assert.equal(String(await next), "in time");
  assert.deepEqual(losses, []);
});

test("a request that timed out while it waited is never sent", async () => {
  const fake = fakeTransport(1);
  const connection = await open(fake, 1);
  const [first, second] = await Promise.allSettled([
    connection.request(read("/a")),
    connection.request(read("/b")),
  ]);
  assert.deepEqual([first.status, second.status], ["rejected", "rejected"]);
  fake.answer(0, "late");
  assert.equal(fake.sent.length, 1);
});

test("events are told by their type alone, whatever their req_id", async () => {
  const fake = fakeTransport();
  const connection = await open(fake);
  const reply = connection.request(read("/a"));
  const reqId = fake.sent[0]?.reqId ?? 0;
  const type = messageType("WATCH_EVENT");
  fake.handlers().onMessage({ type, reqId, txId: 9, payload: Buffer.from("/w\0t\0") });
  fake.handlers().onMessage({ type, reqId: 0, txId: 0, payload: Buffer.from("/w\0\0") });
  fake.answer(0, "value");
  assert.equal(String(await reply), "value");
  assert.deepEqual(events, ["/w t", "/w "]);
});

for (const [what, type, reqIdOffset] of [
  ["a reply that nobody awaits", "READ", 7],
  ["a reply of another type", "WRITE", 0],
] as const) {
  test(`${what} ends the connection with PROTOCOL`, async () => {
    const fake = fakeTransport();
    const connection = await open(fake);
    const reply = connection.request(read("/a"));
    const reqId = (fake.sent[0]?.reqId ?? 0) + reqIdOffset;
    const message = { type: messageType(type), reqId, txId: 0, payload: Buffer.alloc(0) };
    fake.handlers().onMessage(message);
    await assert.rejects(reply, { code: "PROTOCOL" });
    assert.ok(fake.ended());
    assert.equal(losses.length, 1);
  });
}

test("a lost transport rejects all requests, sent or waiting, and all later ones", async () => {
  const fake = fakeTransport(1);
  const connection = await open(fake);
  const requests = [connection.request(read("/a")), connection.request(read("/b"))];
  const cause = new Error("gone");
  fake.handlers().onLost(cause);
  for (const request of [...requests, connection.request(read("/c"))]) {
    await assert.rejects(request, { code: "LOST", cause });
  }
  assert.deepEqual(losses, [cause]);
});

test("close waits for the replies under way and refuses new requests", async () => {
  const fake = fakeTransport();
  const connection = await open(fake);
  const reply = connection.request(read("/a"));
  const closed = connection.close(new XenstoreError("CLOSED", "closed by the test"));
  await assert.rejects(connection.request(read("/b")), { code: "CLOSED" });
  assert.equal(fake.ended(), false);
  fake.answer(0, "value");
  assert.equal(String(await reply), "value");
  await closed;
  assert.ok(fake.ended());
});

test("a time-out above what a timer holds is as good as none", async () => {
  const fake = fakeTransport();
  const connection = await open(fake, Number.POSITIVE_INFINITY);
  const reply = connection.request(read("/a"));
  await new Promise((resolve) => setTimeout(resolve, 20));
  fake.answer(0, "value");
  assert.equal(String(await reply), "value");
});

test("a request that others depend on is sent even after it timed out", async () => {
  const fake = fakeTransport(1);
  const connection = await open(fake, 1);
  await Promise.allSettled([
    connection.request(read("/a")),
    connection.request({ ...read("/kept"), sentLate: true }),
  ]);
  fake.answer(0, "late");
  assert.equal(fake.sent.length, 2);
  fake.answer(1, "late, too");
  assert.deepEqual(losses, []);
});

test("what a request did after it timed out can be undone", async () => {
  const fake = fakeTransport();
  const connection = await open(fake, 1);
  const late: string[] = [];
  const asked = { ...read("/a"), onLate: (reply: unknown) => late.push(String(reply)) };
  await assert.rejects(connection.request(asked), { code: "TIMEOUT" });
  fake.answer(0, "7");
  assert.deepEqual(late, ["7"]);
});
