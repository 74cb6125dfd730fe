// SPDX-License-Identifier: Apache-2.0
// The client before a server that hangs, answers late, or hangs up at once.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fixture, until } from "./fixture.ts";
import { type PlayedRequest, playServer } from "./played-server.ts";

test("after close() nothing keeps the process, not even what a hanging server never took", async (t) => {
  const { socketPath } = await fixture(t);
  await playServer(
    t,
    socketPath,
    () => undefined,
    (socket) => socket.pause(),
  );
  const client = new URL("../../../src/xenstore/index.ts", import.meta.url);
  // More than the socket's buffers hold.
  const program = `
    const { connectXenstore } = await import(${JSON.stringify(client.href)});
    const store = await connectXenstore({
      socketPath: ${JSON.stringify(socketPath)}, requestTimeoutMs: 50,
    });
    const value = "x".repeat(4000);
    await Promise.allSettled(Array.from({ length: 256 }, () => store.write("/a", value)));
    await store.close();
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "ignore", "inherit"],
    timeout: 10_000,
  });
  assert.deepEqual(await once(child, "exit"), [0, null]);
});

test("a transaction whose start came too late is dropped", async (t) => {
  const { socketPath, client } = await fixture(t);
  const server = await playServer(t, socketPath, () => undefined);
  const store = await client({ requestTimeoutMs: 20 });
  const body = async (): Promise<void> => assert.fail("never started");
  await assert.rejects(store.transaction(body), { code: "TIMEOUT" });
  server.requests[0]?.answer("7");
  await until(() => server.requests.length === 2);
  const [, end] = server.requests;
  assert.deepEqual([end?.name, end?.text, end?.txId], ["TRANSACTION_END", "F|", 7]);
});

test("a watch whose OK came too late is taken back", async (t) => {
  const { socketPath, client } = await fixture(t);
  const server = await playServer(t, socketPath, () => undefined);
  const store = await client({ requestTimeoutMs: 20 });
  await assert.rejects(store.watch("/w"), { code: "TIMEOUT" });
  server.requests[0]?.answer("OK");
  await until(() => server.requests.length === 2);
  assert.deepEqual([server.requests[1]?.name, server.requests[1]?.text], ["UNWATCH", "/w|w1|"]);
});

test("all watches are set again, also where the server hangs for longer than a reply may take", async (t) => {
  const { socketPath, client } = await fixture(t);
  const held: PlayedRequest[] = [];
  const server = await playServer(t, socketPath, (request) => {
    if (server.connections.length === 1) request.answer("OK");
    else held.push(request);
  });
  const store = await client({ requestTimeoutMs: 300 });
  const paths = Array.from({ length: 300 }, (_, number) => `/w/${number}`);
  await Promise.all(paths.map((path) => store.watch(path)));
  server.connections[0]?.socket.destroy();
  await until(() => held.length === 256);
  await assert.rejects(store.read("/later"), { code: "TIMEOUT" });
  for (const request of held.splice(0)) request.answer("OK");
  await until(() => held.length === 44);
  assert.ok(held.every(({ name }) => name === "WATCH"));
  for (const request of held) request.answer("OK");
});

test("a server that hangs up at once is tried ever less often", async (t) => {
  const { socketPath, client } = await fixture(t);
  const server = await playServer(
    t,
    socketPath,
    () => undefined,
    (socket) => socket.destroy(),
  );
  const beganMs = performance.now();
  await client();
  await until(() => server.connections.length === 7);
  // Half of 40 + 80 + 160 + 320 + 640 + 1000 ms; six times 40 without growth.
  assert.ok(performance.now() - beganMs > 1000);
});

test("a second close() waits for the first", async (t) => {
  const { socketPath, client } = await fixture(t);
  const server = await playServer(t, socketPath, () => undefined);
  const store = await client();
  const reply = store.read("/a");
  let closed = 0;
  const closing = [store.close(), store.close()].map((one) => one.then(() => (closed += 1)));
  await until(() => server.requests.length === 1);
  assert.equal(closed, 0);
  server.requests[0]?.answer("value");
  assert.equal(await reply, "value\0");
  await Promise.all(closing);
});
