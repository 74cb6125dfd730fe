// SPDX-License-Identifier: Apache-2.0
// Every operation of the client against the embedded server, over a real socket.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fixture } from "./fixture.ts";

test("a value comes back as it was written, text or bytes", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const store = await client();
  for (const value of ["", "plain", "zwölf µ", "with\0NUL", "x".repeat(4000)]) {
    await store.write("/a/b", value);
    assert.equal(await store.read("/a/b"), value);
  }
  const bytes = Uint8Array.from({ length: 256 }, (_, number) => number);
  await store.write("/a/b", bytes);
  assert.deepEqual(Uint8Array.from(await store.readBytes("/a/b")), bytes);
});

test("what is missing is ENOENT, undefined or false, as asked for", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const store = await client();
  await assert.rejects(store.read("/no"), { code: "ENOENT", path: "/no" });
  await assert.rejects(store.directory("/no"), { code: "ENOENT" });
  await assert.rejects(store.getPermissions("/no"), { code: "ENOENT" });
  assert.equal(await store.readIfExists("/no"), undefined);
  assert.equal(await store.directoryIfExists("/no"), undefined);
  assert.equal(await store.exists("/no"), false);
  await store.rm("/no");
  await store.rm("/no/such/parent");
});

test("nodes are made, listed, permitted and removed", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const store = await client();
  await store.mkdir("/a/b");
  await store.write("/a/c", "1");
  await store.mkdir("/a/c");
  assert.deepEqual(await store.directory("/a"), ["b", "c"]);
  assert.deepEqual(await store.directoryIfExists("/a/b"), []);
  assert.equal(await store.readIfExists("/a/c"), "1");
  assert.equal(await store.exists("/a/b"), true);
  const permissions = [
    { domid: 0, access: "n" },
    { domid: 5, access: "r" },
  ] as const;
  await store.setPermissions("/a", permissions);
  assert.deepEqual(await store.getPermissions("/a"), permissions);
  await store.rm("/a");
  assert.equal(await store.exists("/a/c"), false);
});

test("a long directory is listed whole, also while it changes", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const [store, other] = [await client(), await client()];
  const names = Array.from({ length: 2000 }, (_, number) => `entry-${number}`);
  await Promise.all(names.map((name) => store.mkdir(`/big/${name}`)));
  assert.deepEqual(new Set(await store.directory("/big")), new Set(names));

  const [listed] = await Promise.all([
    store.directory("/big"),
    Promise.all(["x", "y", "z"].map((name) => other.mkdir(`/big/${name}`))),
  ]);
  const kept = new Set(listed);
  assert.ok(names.every((name) => kept.has(name)));
  assert.equal(kept.size, listed.length, "no name twice");
  await store.transaction(async (transaction) => {
    assert.equal((await transaction.directory("/big")).length, 2003);
  });
});

test("domains are introduced, known and released", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const store = await client();
  assert.equal(await store.isDomainIntroduced(0), true);
  assert.equal(await store.isDomainIntroduced(7), false);
  await store.introduce(7, 0xfeffcn, 3);
  assert.equal(await store.isDomainIntroduced(7), true);
  assert.equal(await store.getDomainPath(7), "/local/domain/7");
  await store.release(7);
  assert.equal(await store.isDomainIntroduced(7), false);
  await assert.rejects(store.release(7), { code: "ENOENT" });
});

test("control answers in text", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const store = await client();
  assert.equal(await store.control("check"), "OK");
  assert.match(await store.control("help"), /^print\t<string>$/m);
  await assert.rejects(store.control("nope"), { code: "EINVAL" });
});

test("what cannot be said is refused here, and the connection stays", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const store = await client();
  await assert.rejects(store.read("/a.b"), { code: "EINVAL" });
  await assert.rejects(store.read("@releaseDomain"), { code: "EINVAL" });
  await assert.rejects(store.write("/a", "x".repeat(4094)), { code: "E2BIG", path: "/a" });
  await store.write("/a", "x".repeat(4093));
  await assert.rejects(store.control("print", "a\0b"), { code: "EINVAL" });
  await assert.rejects(store.introduce(-1, 0, 0), { code: "EINVAL" });
  await assert.rejects(store.introduce(1, 1.5, 0), { code: "EINVAL" });
  await assert.rejects(store.setPermissions("/a", []), { code: "EINVAL" });
  assert.equal(await store.control("check"), "OK");
});

test("300 requests at once are answered each by its own reply", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const store = await client();
  const numbers = Array.from({ length: 300 }, (_, number) => String(number));
  await Promise.all(numbers.map((number) => store.write(`/n/${number}`, number)));
  const values = await Promise.all(numbers.map((number) => store.read(`/n/${number}`)));
  assert.deepEqual(values, numbers);
});

test("200 clients at once are all served", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const clients = await Promise.all(Array.from({ length: 200 }, () => client()));
  await Promise.all(clients.map((store, number) => store.write(`/c/${number}`, String(number))));
  assert.equal((await clients[0]?.directory("/c"))?.length, 200);
});

test("close waits for the replies under way, and what comes after is CLOSED", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const [store, other] = [await client(), await client()];
  const writes = Array.from({ length: 300 }, (_, number) => store.write(`/w/${number}`, "x"));
  const closed = store.close();
  await assert.rejects(store.read("/tool"), { code: "CLOSED" });
  await assert.rejects(store.watch("/tool"), { code: "CLOSED" });
  await closed;
  await Promise.all(writes);
  assert.equal((await other.directory("/w")).length, 300);
  await store.close();
});
