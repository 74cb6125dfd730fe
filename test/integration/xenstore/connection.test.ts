// SPDX-License-Identifier: Apache-2.0
// The life of a client's connection: no server, a server that comes late, goes, comes back, or
// hangs; and its watches through all of it.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import type { XenstoreConnectionState } from "../../../src/xenstore/index.ts";
import { encodeMessage, encodeStrings, messageType } from "../../../src/xenstore/message.ts";
import { fixture, nextEvents, until } from "./fixture.ts";

test("a watch tells of itself first, then of what changes below", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const [store, other] = [await client(), await client()];
  const watch = await store.watch("/w");
  assert.deepEqual(await nextEvents(watch, 1), ["/w"]);
  await other.write("/w/a/b", "x");
  await store.write("/w/c", "x");
  await other.write("/v", "x");
  await other.rm("/w");
  assert.deepEqual(await nextEvents(watch, 3), ["/w/a/b", "/w/c", "/w"]);
});

test("watches of one path are told apart, and a closed one is told nothing", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const store = await client();
  const [first, second] = [await store.watch("/w"), await store.watch("/w")];
  assert.deepEqual(await nextEvents(first, 1), ["/w"]);
  assert.deepEqual(await nextEvents(second, 1), ["/w"]);
  const ended = first[Symbol.asyncIterator]().next();
  await first.close();
  assert.equal((await ended).done, true);
  await store.write("/w", "x");
  assert.deepEqual(await nextEvents(second, 1), ["/w"]);
});

test("special watches tell of domains that come and go", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const [store, other] = [await client(), await client()];
  const watch = await store.watch("@releaseDomain");
  assert.deepEqual(await nextEvents(watch, 1), ["@releaseDomain"]);
  await other.introduce(5, 1, 2);
  await other.release(5);
  assert.deepEqual(await nextEvents(watch, 1), ["@releaseDomain"]);
});

test("without a server one try fails with UNREACHABLE, and says where", async (t) => {
  const { client, socketPath } = await fixture(t);
  await assert.rejects(client({ timeoutMs: 0 }), (error: Error & { code?: string }) => {
    assert.equal(error.code, "UNREACHABLE");
    assert.match(error.message, new RegExp(socketPath));
    return true;
  });
});

test("a server that comes late is found within the time-out", async (t) => {
  const { start, client } = await fixture(t);
  let tries = 0;
  const connecting = client({
    beforeConnect: async () => {
      tries += 1;
      if (tries === 3) await start();
    },
  });
  assert.equal(await (await connecting).control("check"), "OK");
  assert.equal(tries, 3);
});

test("a server that is awaited for long is reported once", async (t) => {
  const { start, client } = await fixture(t);
  const states: string[] = [];
  let triesAfter = 0;
  const connected = await client({
    onState: ({ kind }) => states.push(kind),
    beforeConnect: async () => {
      if (states.length > 0) triesAfter += 1;
      if (triesAfter === 3) await start();
    },
  });
  assert.equal(await connected.control("check"), "OK");
  assert.deepEqual(states, ["awaited", "connected"]);
});

test("an abort ends the first connection's tries with its reason", async (t) => {
  const { client } = await fixture(t);
  const controller = new AbortController();
  const connecting = client({
    signal: controller.signal,
    beforeConnect: async () => controller.abort(new Error("stop")),
  });
  await assert.rejects(connecting, { message: "stop" });
});

test("an abort while a try succeeds is an abort", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const controller = new AbortController();
  const connecting = client({
    signal: controller.signal,
    beforeConnect: async () => controller.abort(new Error("stop")),
  });
  await assert.rejects(connecting, { message: "stop" });
});

test("after a restart of the server the watches are set again and tell so", async (t) => {
  const { start, client } = await fixture(t);
  const server = await start();
  const states: XenstoreConnectionState["kind"][] = [];
  const store = await client({ onState: ({ kind }) => states.push(kind) });
  const watch = await store.watch("/w");
  const gone = await store.watch("/gone");
  assert.deepEqual(await nextEvents(watch, 1), ["/w"]);
  await gone.close();

  await server.close();
  await until(() => states.includes("lost"));
  await assert.rejects(store.read("/tool"), { code: "UNREACHABLE" });
  await assert.rejects(
    store.transaction(async () => undefined),
    { code: "UNREACHABLE" },
  );
  await start();
  assert.deepEqual(await nextEvents(watch, 1), ["/w"], "the first event again");
  assert.deepEqual(states, ["connected", "lost", "connected"]);
  await store.write("/w/x", "after");
  assert.deepEqual(await nextEvents(watch, 1), ["/w/x"]);
});

test("beforeConnect can bring the server back, and may fail meanwhile", async (t) => {
  const { start, client } = await fixture(t);
  const server = await start();
  let tries = 0;
  const store = await client({
    beforeConnect: async () => {
      tries += 1;
      if (tries === 2) throw new Error("not yet");
      if (tries === 3) await start();
    },
  });
  const watch = await store.watch("/w");
  await nextEvents(watch, 1);
  await server.close();
  assert.deepEqual(await nextEvents(watch, 1), ["/w"]);
  assert.equal(tries, 3);
});

test("without reconnection a loss is final for requests and watches", async (t) => {
  const { start, client } = await fixture(t);
  const server = await start();
  const store = await client({ reconnect: false });
  const watch = await store.watch("/w");
  await nextEvents(watch, 1);
  const waiting = nextEvents(watch, 1);
  await server.close();
  await assert.rejects(waiting, { code: "LOST" });
  await assert.rejects(store.read("/w"), { code: "LOST" });
  await assert.rejects(store.watch("/w"), { code: "LOST" });
});

test("closing a client that is away ends its tries", async (t) => {
  const { start, client } = await fixture(t);
  const server = await start();
  let tries = 0;
  let lost = false;
  const store = await client({
    beforeConnect: async () => {
      tries += 1;
    },
    onState: ({ kind }) => {
      lost = kind === "lost";
    },
  });
  const watch = await store.watch("/w");
  await server.close();
  await until(() => lost && tries > 1);
  await store.close();
  assert.deepEqual((await watch[Symbol.asyncIterator]().next()).done, true);
  await assert.rejects(store.read("/w"), { code: "CLOSED" });
});

// contract: C80
test("a server that does not answer costs a TIMEOUT, one that talks nonsense the connection", async (t) => {
  const { client, socketPath } = await fixture(t);
  const silent = createServer();
  t.after(() => silent.close());
  await new Promise<void>((resolve) => silent.listen(socketPath, resolve));
  const store = await client({ requestTimeoutMs: 20, reconnect: false });
  await assert.rejects(store.read("/a"), { code: "TIMEOUT", path: "/a" });
  silent.once("connection", (socket) => socket.end(Buffer.alloc(64, 0xff)));
  const other = await client({ reconnect: false });
  await assert.rejects(other.read("/a"), { code: /PROTOCOL|LOST/ });
});

test("one long reply, as oxenstored sends it, is taken", async (t) => {
  const { client, socketPath } = await fixture(t);
  const names = Array.from({ length: 10_000 }, (_, number) => `name-${number}`);
  const talkative = createServer((socket) => {
    socket.once("data", (request) => {
      const payload = encodeStrings(...names);
      const reqId = request.readUInt32LE(4);
      socket.end(encodeMessage({ type: messageType("DIRECTORY"), reqId, txId: 0, payload }));
    });
  });
  t.after(() => talkative.close());
  await new Promise<void>((resolve) => talkative.listen(socketPath, resolve));
  const store = await client({ reconnect: false });
  assert.deepEqual(await store.directory("/big"), names);
});

test("a full listen backlog is waited for", async (t) => {
  const { client, socketPath } = await fixture(t);
  // As Xen's servers: room for two connections that were not accepted yet.
  const busy = createServer((socket) => socket.destroy());
  t.after(() => busy.close());
  await new Promise<void>((resolve) => busy.listen({ path: socketPath, backlog: 1 }, resolve));
  const connected = await Promise.allSettled(
    Array.from({ length: 50 }, () => client({ reconnect: false })),
  );
  assert.ok(connected.every(({ status }) => status === "fulfilled"));
});
