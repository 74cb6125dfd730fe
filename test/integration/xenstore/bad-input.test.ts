// SPDX-License-Identifier: Apache-2.0
// What bad clients cost: nothing that grows with what they claim, and nothing to the others. The
// error for each bad request is the conformance suite's affair.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import fc from "fast-check";
import { encodeMessage, headerBytes, messageType } from "../../../src/xenstore/message.ts";
import { fixture, rawSocket, until } from "./fixture.ts";

const mebibyte = 1024 * 1024;

function header(claimedBytes: number): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  bytes.writeUInt32LE(messageType("WRITE"), 0);
  bytes.writeUInt32LE(claimedBytes, 12);
  return bytes;
}

test("200 clients that claim much and send nothing cost a frame each", async (t) => {
  const { start, client, socketPath } = await fixture(t);
  await start();
  const store = await client();
  const before = process.memoryUsage();
  for (let number = 0; number < 200; number += 1) {
    const socket = await rawSocket(t, socketPath);
    socket.resume();
    socket.write(header(number % 2 === 0 ? 4096 : 100_000_000));
    if (number % 2 === 1) await once(socket, "close");
  }
  assert.equal(await store.control("check"), "OK");
  const after = process.memoryUsage();
  assert.ok(after.external - before.external < 16 * mebibyte);
});

test("noise on many connections disturbs nobody", async (t) => {
  const { start, client, socketPath } = await fixture(t);
  await start();
  const store = await client();
  const watch = await store.watch("/kept");
  t.after(() => watch.close());
  await store.write("/kept", "value");
  const noise = fc.sample(fc.uint8Array({ minLength: 1, maxLength: 400 }), 100);
  const ends = noise.map(async (bytes) => {
    const socket = await rawSocket(t, socketPath);
    const closed = once(socket, "close");
    socket.resume();
    socket.end(bytes);
    await closed;
  });
  await Promise.all(ends);
  assert.equal(await store.read("/kept"), "value");
});

test("a flood of requests that are none is answered, and others are served meanwhile", async (t) => {
  const { start, client, socketPath } = await fixture(t);
  await start();
  const store = await client();
  const socket = await rawSocket(t, socketPath);
  let bytes = 0;
  socket.on("data", (chunk) => {
    bytes += chunk.byteLength;
  });
  const frame = encodeMessage({ type: 999, reqId: 1, txId: 0, payload: Buffer.alloc(0) });
  const count = 20_000;
  socket.write(Buffer.concat(Array.from({ length: count }, () => frame)));
  for (let number = 0; number < 20; number += 1) await store.write("/mine", String(number));
  await until(() => bytes === count * (headerBytes + "ENOSYS\0".length));
});
