// SPDX-License-Identifier: Apache-2.0
// The client over /dev/xen/xenbus. There is no such device here: it talks to a MODEL of the
// kernel's driver (test/support/xenbus-device.ts), in front of the embedded server and of Debian's
// C xenstored. Each test is named after the trap that the device sets.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { makeFifo } from "../../../src/kernel/index.ts";
import { connectOver } from "../../../src/xenstore/client.ts";
import { openConnection } from "../../../src/xenstore/connection.ts";
import { deviceTransport } from "../../../src/xenstore/device.ts";
import {
  connectXenstore,
  type XenstoreClient,
  XenstoreError,
} from "../../../src/xenstore/index.ts";
import { placeOf } from "../../../src/xenstore/locate.ts";
import { encodeStrings } from "../../../src/xenstore/message.ts";
import { type XenbusDevice, type XenbusRules, xenbusDevice } from "../../support/xenbus-device.ts";
import { startXenstored, xenstoredParts } from "../../support/xenstored.ts";
import { fixture, nextEvents } from "./fixture.ts";

const parts = await xenstoredParts();
let devices = 0;

interface Opened {
  readonly device: XenbusDevice;
  readonly path: string;
  readonly client: (requestTimeoutMs?: number) => Promise<XenstoreClient>;
}

function deviceAt(t: TestContext, folder: string, socketPath: string, rules: XenbusRules): Opened {
  devices += 1;
  const path = join(folder, `xenbus-${devices}`);
  makeFifo(path, 0o600);
  const device = xenbusDevice(socketPath, path, rules);
  t.after(() => device.close());
  return {
    device,
    path,
    client: async (requestTimeoutMs = 30_000) => {
      const place = placeOf([path], (each) => deviceTransport(each, device.calls));
      const client = await connectOver(place, { requestTimeoutMs });
      t.after(() => client.close());
      return client;
    },
  };
}

async function embedded(t: TestContext, rules: XenbusRules = {}) {
  const { folder, socketPath, start, client } = await fixture(t);
  await start();
  return { ...deviceAt(t, folder, socketPath, rules), folder, socketPath, overSocket: client };
}

async function useAll(store: XenstoreClient): Promise<void> {
  await store.write("/x/a", "1");
  await store.mkdir("/x/b");
  assert.equal(await store.read("/x/a"), "1");
  assert.deepEqual(new Set(await store.directory("/x")), new Set(["a", "b"]));
  const permissions = [{ domid: 0, access: "r" }] as const;
  await store.setPermissions("/x/b", permissions);
  assert.deepEqual(await store.getPermissions("/x/b"), permissions);
  const names = Array.from({ length: 1000 }, (_, number) => `entry-${number}`);
  await Promise.all(names.map((name) => store.mkdir(`/x/big/${name}`)));
  assert.deepEqual(new Set(await store.directory("/x/big")), new Set(names));
  await store.transaction(async (transaction) => {
    await transaction.write("/x/a", `${await transaction.read("/x/a")}1`);
  });
  assert.equal(await store.read("/x/a"), "11");
  const watch = await store.watch("/x/w");
  assert.deepEqual(await nextEvents(watch, 1), ["/x/w"]);
  await store.write("/x/w/y", "");
  assert.deepEqual(await nextEvents(watch, 1), ["/x/w/y"]);
  await watch.close();
  await store.rm("/x");
  assert.equal(await store.exists("/x"), false);
  assert.equal(await store.isDomainIntroduced(0), true);
  assert.equal(await store.getDomainPath(7), "/local/domain/7");
}

function assertRulesKept(device: XenbusDevice): void {
  assert.equal(device.inFlightMax(), 1, "no pipelining");
  assert.ok(device.writes.every(({ bytes }) => bytes <= 4096));
  assert.ok(!device.writes.some(({ overlapped }) => overlapped), "never two writers");
}

test("every operation works in front of the embedded server", async (t) => {
  const { device, client } = await embedded(t);
  await useAll(await client());
  assertRulesKept(device);
});

test("every operation works in front of C xenstored", {
  skip: parts.found ? false : parts.reason,
}, async (t) => {
  if (!parts.found) return;
  const { folder } = await fixture(t);
  await using server = await startXenstored({ kind: "c", dir: join(folder, "c"), parts });
  const { device, client } = deviceAt(t, folder, server.socketPath, {});
  const store = await client();
  await useAll(store);
  assertRulesKept(device);
  await store.close();
});

test("one message a write: what follows in the same write would be lost", async (t) => {
  const { device, client } = await embedded(t);
  const store = await client();
  await Promise.all(Array.from({ length: 100 }, (_, n) => store.write(`/n/${n}`, "x")));
  assert.equal((await store.directory("/n")).length, 100);
  assert.equal(device.writes.length, 101);
  assertRulesKept(device);
});

test("header and payload share 4096 bytes: more is E2BIG here, and is not sent", async (t) => {
  const { device, client } = await embedded(t);
  const store = await client();
  await store.write("/a", "x".repeat(4077));
  assert.equal(device.writes.at(-1)?.bytes, 4096);
  await assert.rejects(store.write("/a", "x".repeat(4078)), { code: "E2BIG" });
  assert.equal((await store.read("/a")).length, 4077);
  assert.equal(device.writes.length, 2);
});

test("a WATCH that fails is an errno of the write, with no reply", async (t) => {
  const { client } = await embedded(t);
  const store = await client();
  await assert.rejects(store.watch(`/${"x".repeat(2500)}`), { code: "EINVAL" });
  await store.write("/a", "1");
  assert.equal(await store.read("/a"), "1", "the next reply is the next request's");
});

test("UNWATCH is the kernel's own and OK, the watch told or not", async (t) => {
  const { client, overSocket } = await embedded(t);
  const store = await client();
  const [first, second] = [await store.watch("/w"), await store.watch("/w")];
  await first.close();
  await nextEvents(second, 1);
  await (await overSocket()).write("/w", "x");
  assert.deepEqual(await nextEvents(second, 1), ["/w"]);
});

test("the first event comes before the OK of its WATCH", async (t) => {
  const { client } = await embedded(t, { eventsFirst: true });
  const watch = await (await client()).watch("/w");
  assert.deepEqual(await nextEvents(watch, 1), ["/w"]);
});

test("events are told by type alone: their req_id is that of a request under way", async (t) => {
  const { client, overSocket } = await embedded(t);
  const [store, other] = [await client(), await overSocket()];
  const watch = await store.watch("/w");
  const reads = Array.from({ length: 50 }, () => store.exists("/w/none"));
  await Promise.all(Array.from({ length: 50 }, (_, n) => other.write(`/w/${n}`, "")));
  assert.ok((await Promise.all(reads)).every((exists) => !exists));
  assert.equal((await nextEvents(watch, 51)).length, 51);
});

test("a kernel that clobbers the req_id of replies is understood", async (t) => {
  const { client } = await embedded(t, { clobbersReqId: true });
  await useAll(await client());
});

for (const refusesUnknownTransactions of [false, true]) {
  const how = refusesUnknownTransactions ? "ESRCH of the write" : "a reply";
  test(`an unknown transaction is ENOENT, also as ${how}`, async (t) => {
    const { device, path } = await embedded(t, { refusesUnknownTransactions });
    const handlers = { onEvent: () => undefined, onLost: () => undefined };
    const connection = await openConnection(deviceTransport(path, device.calls), handlers, 0);
    const payload = encodeStrings("/a");
    await assert.rejects(connection.request({ name: "READ", txId: 9, payload }), {
      code: "ENOENT",
    });
    await connection.request({ name: "MKDIR", txId: 0, payload });
    await connection.close(new XenstoreError("CLOSED", "closed"));
  });
}

test("read gives what there is: single bytes, or many messages at once", async (t) => {
  const { client } = await embedded(t, { pieceBytes: 1 });
  const store = await client();
  const watch = await store.watch("/p");
  await store.write("/p/a", "some value");
  assert.equal(await store.read("/p/a"), "some value");
  assert.deepEqual(await nextEvents(watch, 2), ["/p", "/p/a"]);
});

test("there is no end of file and no hang-up: a silent server is a TIMEOUT", async (t) => {
  const { folder, socketPath } = await fixture(t);
  const { client } = deviceAt(t, folder, socketPath, {});
  const store = await client(20);
  await assert.rejects(store.read("/a"), { code: "TIMEOUT" });
  await store.close();
  await assert.rejects(store.read("/a"), { code: "CLOSED" });
});

test("libuv's thread pool stays free under ten open devices", async (t) => {
  const { folder, socketPath, client } = await embedded(t);
  const stores = [await client()];
  for (let n = 1; n < 10; n += 1) {
    stores.push(await deviceAt(t, folder, socketPath, {}).client());
  }
  // With one blocked read each, four of them would keep this from ever being read.
  assert.ok((await readFile("/proc/self/stat", "utf8")).length > 0);
  await Promise.all(stores.map((store, n) => store.write(`/t/${n}`, "")));
  assert.equal((await stores[0]?.directory("/t"))?.length, 10);
});

test("closing ends the device, and what its transaction did is not seen", async (t) => {
  const { client, overSocket } = await embedded(t);
  const store = await client();
  const other = await overSocket();
  const given = store.transaction(async (transaction) => {
    await transaction.write("/t", "1");
    throw new Error("no");
  });
  await assert.rejects(given, { message: "no" });
  await store.close();
  assert.equal(await other.exists("/t"), false);
});

test("a path that is no socket is the device's, and one that cannot be polled is refused", async () => {
  // /dev/null is a character device without poll: epoll refuses it with EPERM.
  await assert.rejects(connectXenstore({ socketPath: "/dev/null", timeoutMs: 60_000 }), {
    code: "UNREACHABLE",
    message: /: \/dev\/null is neither a socket nor xenstore.s device$/,
  });
});
