// SPDX-License-Identifier: Apache-2.0
// The queue between a connection that never waits and a reader that may.

import assert from "node:assert/strict";
import { test } from "node:test";
import { XenstoreError } from "../../../src/xenstore/errors.ts";
import { createWatchQueue, type WatchQueue } from "../../../src/xenstore/watch.ts";

const queueOf = (path: string): WatchQueue => createWatchQueue(path, "t", async () => undefined);

async function takeAll(queue: WatchQueue): Promise<string[]> {
  queue.end();
  const paths: string[] = [];
  for await (const { path } of queue.watch) paths.push(path);
  return paths;
}

async function take(queue: WatchQueue, count: number): Promise<string[]> {
  const paths: string[] = [];
  const iterator = queue.watch[Symbol.asyncIterator]();
  while (paths.length < count) {
    const { value } = await iterator.next();
    paths.push(value.path);
  }
  return paths;
}

test("events come in order, equal ones once", async () => {
  const queue = queueOf("/w");
  for (const path of ["/w", "/w/a", "/w/b", "/w/a"]) queue.push(path);
  assert.deepEqual(await take(queue, 3), ["/w", "/w/a", "/w/b"]);
  queue.push("/w/a");
  assert.deepEqual(await take(queue, 1), ["/w/a"], "an event that was taken is not merged into");
});

test("a reader that waits gets the next event", async () => {
  const queue = queueOf("/w");
  const next = queue.watch[Symbol.asyncIterator]().next();
  queue.push("/w/a");
  assert.deepEqual((await next).value, { path: "/w/a", token: "t" });
});

test("above 1024 events the queue becomes one event for everything", async () => {
  const queue = queueOf("/w");
  for (let number = 0; number < 1024; number += 1) queue.push(`/w/${number}`);
  assert.deepEqual(await take(queue, 1), ["/w/0"], "1024 are kept as they are");
  for (let number = 1024; number < 5000; number += 1) queue.push(`/w/${number}`);
  assert.deepEqual(await take(queue, 1), ["/w"]);
  queue.push("/w/after");
  assert.deepEqual(await take(queue, 1), ["/w/after"]);
});

test("the end ends a loop, and what waits for an event", async () => {
  const queue = queueOf("/w");
  const next = queue.watch[Symbol.asyncIterator]().next();
  assert.deepEqual(await takeAll(queue), []);
  assert.equal((await next).done, true);
  queue.push("/w/late");
  assert.deepEqual(await takeAll(queue), []);
});

test("a failure is thrown at the reader, each time", async () => {
  const queue = queueOf("/w");
  queue.push("/w/a");
  queue.fail(new XenstoreError("LOST", "gone"));
  const iterator = queue.watch[Symbol.asyncIterator]();
  await assert.rejects(iterator.next(), { code: "LOST" });
  await assert.rejects(iterator.next(), { code: "LOST" });
});

test("a second reader at the same time is refused", async () => {
  const queue = queueOf("/w");
  const first = queue.watch[Symbol.asyncIterator]().next();
  await assert.rejects(queue.watch[Symbol.asyncIterator]().next(), { code: "EBUSY" });
  queue.push("/w");
  assert.equal((await first).value?.path, "/w");
});

test("leaving a loop keeps the watch", async () => {
  const queue = queueOf("/w");
  queue.push("/w");
  for await (const _event of queue.watch) break;
  queue.push("/w/a");
  assert.deepEqual(await take(queue, 1), ["/w/a"]);
});

test("return() lets go of a read under way, which would swallow the next event", async () => {
  const queue = queueOf("/w");
  const iterator = queue.watch[Symbol.asyncIterator]();
  const abandoned = iterator.next();
  await iterator.return?.();
  queue.push("/w/a");
  assert.deepEqual(await take(queue, 1), ["/w/a"]);
  assert.equal((await abandoned).done, true);
});
