// SPDX-License-Identifier: Apache-2.0
// The client before a server that hangs, answers late, or hangs up at once.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fixture, until } from "./fixture.ts";
import { playServer } from "./played-server.ts";

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
