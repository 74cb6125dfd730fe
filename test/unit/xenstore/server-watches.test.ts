// SPDX-License-Identifier: Apache-2.0
// Who is told of what, and when: the order and the rules of C xenstored, as observed on Debian's
// 4.17.

import assert from "node:assert/strict";
import { test } from "node:test";
import { playTable, scenario } from "./scenario.ts";

test("a watch is answered first and then fires once, whether or not the node exists", () => {
  playTable([
    ["a WATCH /tool|t|", "a< OK", "a* /tool t"],
    ["a WATCH /nope|t|", "a< OK", "a* /nope t"],
    ["a WATCH @other|t|", "a< OK", "a* @other t"],
    ["a WATCH /w||", "a< OK", "a* /w "],
  ]);
});

test("path and token together name a watch of a connection", () => {
  playTable([
    ["a WATCH /w|t|", "a< OK", "a* /w t"],
    ["a WATCH /w|t|", "a< !EEXIST"],
    ["a WATCH /w|u|", "a< OK", "a* /w u"],
    ["b WATCH /w|t|", "b< OK", "b* /w t"],
    ["a UNWATCH /w|x|", "a< !ENOENT"],
    ["a UNWATCH /w|t|", "a< OK"],
    ["a UNWATCH /w|t|", "a< !ENOENT"],
    ["c WRITE /w|", "a* /w u", "b* /w t", "c< OK"],
  ]);
});

test("events come before the reply to their cause, for the node and what is below it", () => {
  playTable([
    ["a WATCH /t/w|t|", "a< OK", "a* /t/w t"],
    ["a WRITE /t/w|v", "a* /t/w t", "a< OK"],
    ["a WRITE /t/w|v", "a* /t/w t", "a< OK"],
    ["a WRITE /t/w/x/y/z|v", "a* /t/w/x/y/z t", "a< OK"],
    ["a MKDIR /t/w/m|", "a* /t/w/m t", "a< OK"],
    ["a MKDIR /t/w/m|", "a< OK"],
    ["a SET_PERMS /t/w|n0|", "a* /t/w t", "a< OK"],
    ["a RM /t/w/m|", "a* /t/w/m t", "a< OK"],
    ["a RM /t/w/m|", "a< OK"],
    ["a WRITE /t|v", "a< OK"],
    ["a WRITE /t/wother|v", "a< OK"],
    ["a WRITE /t/w/x.y|v", "a< !EINVAL"],
  ]);
});

test("a removal tells the watches above once, and those of removed nodes by their own path", () => {
  playTable([
    ["a WRITE /w/x/y|", "a< OK"],
    ["a WATCH /w|top|", "a< OK", "a* /w top"],
    ["a WATCH /w/x|mid|", "a< OK", "a* /w/x mid"],
    ["a WATCH /w/x/y|low|", "a< OK", "a* /w/x/y low"],
    ["a WATCH /w/none|none|", "a< OK", "a* /w/none none"],
    ["a RM /w|", "a* /w/x/y low", "a* /w/x mid", "a* /w top", "a< OK"],
  ]);
});

test("a watch with a relative path is told relative paths", () => {
  playTable([
    ["a WATCH rel|t|", "a< OK", "a* rel t"],
    ["a WRITE /local/domain/0/rel/x|", "a* rel/x t", "a< OK"],
    ["a RM rel|", "a* rel t", "a< OK"],
  ]);
});

test("watches ignore transactions, and changes inside are told at the commit", () => {
  playTable([
    ["a WATCH#99 /w|t|", "a< OK", "a* /w t"],
    ["a TRANSACTION_START |", "a< 1|"],
    ["a WRITE#1 /w/b|", "a< OK"],
    ["a WRITE#1 /w/a|", "a< OK"],
    ["a WRITE#1 /w/b|again", "a< OK"],
    ["a WRITE#1 /w/gone|", "a< OK"],
    ["a RM#1 /w/gone|", "a< OK"],
    ["a TRANSACTION_END#1 T|", "a* /w/b t", "a* /w/a t", "a< OK"],
    ["a TRANSACTION_START |", "a< 2|"],
    ["a WRITE#2 /w/b|", "a< OK"],
    ["a TRANSACTION_END#2 F|", "a< OK"],
    ["a UNWATCH#99 /w|t|", "a< OK"],
  ]);
});

test("reset and the end of a connection drop its watches and transactions", () => {
  const { play, arrange, close, store } = scenario();
  arrange("a WATCH /w|t|", "a TRANSACTION_START |", "b WATCH /w|t|");
  assert.deepEqual(play("a RESET_WATCHES |"), ["a< OK"]);
  assert.deepEqual(play("a READ#1 /tool|"), ["a< !ENOENT"]);
  assert.deepEqual(play("a WRITE /w|"), ["b* /w t", "a< OK"]);
  close("b");
  assert.deepEqual(play("a WRITE /w|"), ["a< OK"]);
  assert.equal(store.watches.byPath.size, 0);
});

test("an unprivileged domain is told only of what it may read", () => {
  const { play, arrange } = scenario();
  arrange("a INTRODUCE 5|1|2|", "d5 WATCH /x|t|", "d5 WATCH @releaseDomain|r|");
  assert.deepEqual(play("a WRITE /x|v"), ["a< OK"]);
  assert.deepEqual(play("a SET_PERMS /x|r0|"), ["d5* /x t", "a< OK"]);
  assert.deepEqual(play("a RM /x|"), ["d5* /x t", "a< OK"]);
  arrange("a INTRODUCE 6|1|2|");
  assert.deepEqual(play("a RELEASE 6|"), ["a< OK"]);
  arrange("a INTRODUCE 6|1|2|", "a SET_PERMS @releaseDomain|n0|r5|");
  assert.deepEqual(play("a RELEASE 6|"), ["a< OK", "d5* @releaseDomain r"]);
});
