// SPDX-License-Identifier: Apache-2.0
// Listing a directory through a server that the test plays.

import assert from "node:assert/strict";
import { test } from "node:test";
import { XenstoreError } from "../../../src/xenstore/errors.ts";
import { listNames } from "../../../src/xenstore/listing.ts";
import { parsePath } from "../../../src/xenstore/path.ts";

const path = parsePath("/d");

interface Played {
  readonly asked: string[];
  readonly names: Promise<string[]>;
}

/** DIRECTORY is answered with E2BIG, each DIRECTORY_PART with the next of `parts`. */
function play(...parts: readonly string[]): Played {
  const asked: string[] = [];
  const left = [...parts];
  const names = listNames(async (name, payload) => {
    if (name === "DIRECTORY") throw new XenstoreError("E2BIG", "too long");
    asked.push(Buffer.from(payload).toString().replaceAll("\0", "|"));
    const part = left.shift();
    if (part === undefined) throw new XenstoreError("ENOSYS", "not supported");
    return Buffer.from(part.replaceAll("|", "\0"));
  }, path);
  return { asked, names };
}

test("a directory that fits is one request", async () => {
  assert.deepEqual(await listNames(async () => Buffer.from("a\0b\0"), path), ["a", "b"]);
  assert.deepEqual(await listNames(async () => Buffer.alloc(0), path), []);
});

test("parts are asked for by the bytes that came, until the empty string", async () => {
  const { asked, names } = play("7|a|bc|", "7|d||");
  assert.deepEqual(await names, ["a", "bc", "d"]);
  assert.deepEqual(asked, ["/d|0|", "/d|5|"]);
});

test("the end may come alone, behind a part that was full", async () => {
  const { names } = play("7|a|bc|", "7||");
  assert.deepEqual(await names, ["a", "bc"]);
});

test("another generation starts the listing again", async () => {
  const { asked, names } = play("7|a|b|", "8|c||", "8|x|", "8|y||");
  assert.deepEqual(await names, ["x", "y"]);
  assert.deepEqual(asked, ["/d|0|", "/d|4|", "/d|0|", "/d|2|"]);
});

test("a server without parts cannot list it: ENOSYS", async () => {
  await assert.rejects(play().names, { code: "ENOSYS" });
});

test("a part that is none is a PROTOCOL error, not an endless loop", async () => {
  await assert.rejects(play("7").names, { code: "PROTOCOL" });
  await assert.rejects(play("7|").names, { code: "PROTOCOL" });
});

test("a directory that never stands still ends with EAGAIN", async () => {
  const parts = Array.from({ length: 1000 }, (_, number) => `${number}|a|`);
  await assert.rejects(play(...parts).names, { code: "EAGAIN", path: "/d" });
});
