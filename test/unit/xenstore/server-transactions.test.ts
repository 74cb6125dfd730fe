// SPDX-License-Identifier: Apache-2.0
// Transactions: what is seen inside, and what conflicts. As observed on Debian's xenstored 4.17.

import assert from "node:assert/strict";
import { test } from "node:test";
import { playTable, scenario } from "./scenario.ts";

test("ids count from 1 on each connection and mean nothing on another", () => {
  playTable([
    ["a TRANSACTION_START |", "a< 1|"],
    ["a TRANSACTION_START |", "a< 2|"],
    ["b TRANSACTION_START |", "b< 1|"],
    ["b READ#2 /tool|", "b< !ENOENT"],
    ["a TRANSACTION_START#1 |", "a< !EBUSY"],
    ["a TRANSACTION_START#9 |", "a< !ENOENT"],
  ]);
});

test("an end needs a verdict and a transaction, and takes the id with it", () => {
  playTable([
    ["a TRANSACTION_END T|", "a< !ENOENT"],
    ["a TRANSACTION_START |", "a< 1|"],
    ["a TRANSACTION_END#1 x|", "a< !EINVAL"],
    ["a TRANSACTION_END#1 T|", "a< OK"],
    ["a TRANSACTION_END#1 T|", "a< !ENOENT"],
    ["a WRITE#1 /a|x", "a< !ENOENT"],
  ]);
});

test("own changes are seen inside at once and outside after the commit", () => {
  playTable([
    ["a TRANSACTION_START |", "a< 1|"],
    ["a WRITE#1 /a/b|in", "a< OK"],
    ["a READ#1 /a/b|", "a< in"],
    ["a DIRECTORY#1 /a|", "a< b|"],
    ["b READ /a/b|", "b< !ENOENT"],
    ["a TRANSACTION_END#1 T|", "a< OK"],
    ["b READ /a/b|", "b< in"],
    ["a TRANSACTION_START |", "a< 2|"],
    ["a RM#2 /a|", "a< OK"],
    ["a READ#2 /a/b|", "a< !ENOENT"],
    ["a TRANSACTION_END#2 F|", "a< OK"],
    ["b READ /a/b|", "b< in"],
  ]);
});

/** Inside, then outside, then what the commit says. /p/y and /c exist. */
const conflicts: readonly (readonly [
  name: string,
  inside: string,
  outside: string,
  end: string,
])[] = [
  ["a read node that was written", "READ#1 /c|", "WRITE /c|new", "!EAGAIN"],
  ["a read node that was written with the same value", "READ#1 /c|", "WRITE /c|", "!EAGAIN"],
  ["a read node whose permissions were set", "READ#1 /c|", "SET_PERMS /c|n0|", "!EAGAIN"],
  ["a read node that was removed", "READ#1 /c|", "RM /c|", "!EAGAIN"],
  ["a written node that was written", "WRITE#1 /c|a", "WRITE /c|b", "!EAGAIN"],
  ["a missing node that was made", "READ#1 /new|", "WRITE /new|", "!EAGAIN"],
  ["a missing node beside one that was made", "READ#1 /p/no|", "WRITE /p/z|", "!EAGAIN"],
  ["two children made below one node", "WRITE#1 /p/x|", "WRITE /p/z|", "!EAGAIN"],
  ["a listed node that got a child", "DIRECTORY#1 /p|", "WRITE /p/z|", "!EAGAIN"],
  ["a removed node that was written below", "RM#1 /p|", "WRITE /p/y|", "!EAGAIN"],
  ["a removed node whose parent got a child", "RM#1 /p/y|", "WRITE /p/z|", "!EAGAIN"],
  ["a listed node whose child was written", "DIRECTORY#1 /p|", "WRITE /p/y|new", "OK"],
  ["a listed node whose child got a child", "DIRECTORY#1 /p|", "WRITE /p/y/z|", "OK"],
  ["a written child beside one that was made", "WRITE#1 /p/y|", "WRITE /p/z|", "OK"],
  ["disjoint nodes", "WRITE#1 /c|", "WRITE /p/z|", "OK"],
];

for (const [name, inside, outside, end] of conflicts) {
  test(`${end === "OK" ? "no conflict" : "a conflict"}: ${name}`, () => {
    const { play, arrange } = scenario();
    arrange("a WRITE /c|", "a WRITE /p/y|", "a TRANSACTION_START |", `a ${inside}`);
    assert.deepEqual(play(`b ${outside}`), ["b< OK"]);
    assert.deepEqual(play("a TRANSACTION_END#1 T|"), [`a< ${end}`]);
    assert.deepEqual(play("a READ#1 /tool|"), ["a< !ENOENT"], "the id is gone either way");
  });
}

test("another transaction of the same connection conflicts too", () => {
  playTable([
    ["a TRANSACTION_START |", "a< 1|"],
    ["a TRANSACTION_START |", "a< 2|"],
    ["a WRITE#1 /a|1", "a< OK"],
    ["a WRITE#2 /a|2", "a< OK"],
    ["a TRANSACTION_END#1 T|", "a< OK"],
    ["a TRANSACTION_END#2 T|", "a< !EAGAIN"],
    ["a READ /a|", "a< 1"],
  ]);
});

test("a commit keeps what others changed elsewhere meanwhile", () => {
  playTable([
    ["a WRITE /p/y|", "a< OK"],
    ["a TRANSACTION_START |", "a< 1|"],
    ["a WRITE#1 /p/y|in", "a< OK"],
    ["b WRITE /p/z|out", "b< OK"],
    ["a TRANSACTION_END#1 T|", "a< OK"],
    ["a DIRECTORY /p|", "a< y|z|"],
    ["a READ /p/y|", "a< in"],
  ]);
});

test("what changed before it was touched is seen inside and no conflict", () => {
  playTable([
    ["a WRITE /c|old", "a< OK"],
    ["a WRITE /p/d|old", "a< OK"],
    ["a TRANSACTION_START |", "a< 1|"],
    ["b WRITE /c|new", "b< OK"],
    ["a READ#1 /c|", "a< new"],
    ["a WRITE#1 /mine|x", "a< OK"],
    ["b WRITE /p/d|late", "b< OK"],
    ["a READ#1 /p/d|", "a< late"],
    ["a READ#1 /mine|", "a< x"],
    ["a TRANSACTION_END#1 T|", "a< OK"],
    ["b READ /mine|", "b< x"],
  ]);
  playTable([
    ["a TRANSACTION_START |", "a< 1|"],
    ["a READ#1 /tool|", "a< "],
    ["b WRITE /d|late", "b< OK"],
    ["a READ#1 /d|", "a< late"],
    ["a TRANSACTION_END#1 T|", "a< OK"],
  ]);
});

test("once in conflict, a transaction keeps reading one time's values", () => {
  playTable([
    ["a WRITE /x|old", "a< OK"],
    ["a WRITE /y|old", "a< OK"],
    ["a TRANSACTION_START |", "a< 1|"],
    ["a READ#1 /x|", "a< old"],
    ["b WRITE /x|new", "b< OK"],
    ["b WRITE /y|new", "b< OK"],
    ["a READ#1 /y|", "a< old"],
    ["a TRANSACTION_END#1 T|", "a< !EAGAIN"],
  ]);
});
