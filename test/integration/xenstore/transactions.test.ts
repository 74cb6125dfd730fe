// SPDX-License-Identifier: Apache-2.0
// Transactions of the client: all or nothing, repeated on a conflict, never on a lost connection.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fixture } from "./fixture.ts";

test("a transaction is seen whole, and its result passed on", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const [store, other] = [await client(), await client()];
  const result = await store.transaction(async (transaction) => {
    await Promise.all(["a", "b", "c"].map((name) => transaction.write(`/t/${name}`, name)));
    assert.equal(await transaction.read("/t/a"), "a");
    assert.equal(await other.exists("/t"), false);
    return 42;
  });
  assert.equal(result, 42);
  assert.deepEqual(await other.directory("/t"), ["a", "b", "c"]);
});

test("a body that throws leaves nothing and its error comes through", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const store = await client();
  const failed = store.transaction(async (transaction) => {
    await transaction.write("/t", "x");
    throw new Error("changed my mind");
  });
  await assert.rejects(failed, { message: "changed my mind" });
  assert.equal(await store.exists("/t"), false);
});

test("conflicting increments of four clients are all counted", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const clients = await Promise.all(Array.from({ length: 4 }, () => client()));
  await clients[0]?.write("/counter", "0");
  const increments = clients.flatMap((store) =>
    Array.from({ length: 25 }, () =>
      store.transaction(async (transaction) => {
        const value = Number(await transaction.read("/counter"));
        await transaction.write("/counter", String(value + 1));
      }),
    ),
  );
  await Promise.all(increments);
  assert.equal(await clients[0]?.read("/counter"), "100");
});

test("a transaction that can never win ends with EAGAIN after its attempts", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const [store, other] = [await client(), await client()];
  let attempts = 0;
  const losing = store.transaction(
    async (transaction) => {
      attempts += 1;
      await transaction.write("/t", "mine");
      await other.write("/t", "theirs");
    },
    { attemptsMax: 3 },
  );
  await assert.rejects(losing, { code: "EAGAIN" });
  assert.equal(attempts, 3);
  assert.equal(await store.read("/t"), "theirs");
});

test("an abort stops further attempts with the signal's reason", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const [store, other] = [await client(), await client()];
  const controller = new AbortController();
  const losing = store.transaction(
    async (transaction) => {
      await transaction.write("/t", "mine");
      await other.write("/t", "theirs");
      controller.abort(new Error("no longer needed"));
    },
    { signal: controller.signal },
  );
  await assert.rejects(losing, { message: "no longer needed" });
});

test("an operation after the end of its transaction is refused", async (t) => {
  const { start, client } = await fixture(t);
  await start();
  const store = await client();
  const ended = await store.transaction(async (transaction) => ({ transaction }));
  const { transaction } = ended;
  await assert.rejects(transaction.write("/t", "late"), { code: "EINVAL" });
  // ENOENT would mean a missing node to these, which is no error.
  await assert.rejects(transaction.rm("/t"), { code: "EINVAL" });
  await assert.rejects(transaction.exists("/tool"), { code: "EINVAL" });
  await assert.rejects(transaction.readIfExists("/tool"), { code: "EINVAL" });
  assert.equal(await store.exists("/t"), false);
});

test("a lost connection ends a transaction with LOST, and it is not run again", async (t) => {
  const { start, client } = await fixture(t);
  const server = await start();
  const store = await client();
  let attempts = 0;
  const lost = store.transaction(async (transaction) => {
    attempts += 1;
    await transaction.write("/t", "x");
    await server.close();
    await start();
    await transaction.write("/t", "y");
  });
  await assert.rejects(lost, { code: "LOST" });
  assert.equal(attempts, 1);
});
