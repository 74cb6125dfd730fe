// SPDX-License-Identifier: Apache-2.0
// What the conformance suite cannot see of transactions and watches: what C xenstored does not do,
// and what is left in memory.

import assert from "node:assert/strict";
import { test } from "node:test";
import { playTable, scenario } from "./scenario.ts";

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

test("after a reset and the end of a connection nothing of their watches is left", () => {
  const { play, arrange, close, store } = scenario();
  arrange("a WATCH /w|t|", "a WATCH /w/x|t|", "b WATCH /w|t|", "c WATCH @releaseDomain|t|");
  assert.deepEqual(play("a RESET_WATCHES |"), ["a< OK"]);
  assert.deepEqual(play("a WRITE /w|"), ["b* /w t", "a< OK"]);
  close("b");
  arrange("c UNWATCH @releaseDomain|t|");
  assert.equal(store.watches.byPath.size, 0);
});
