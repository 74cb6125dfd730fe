// SPDX-License-Identifier: Apache-2.0
// Quotas, features and depths as Xen 4.22 has them: what no server of Debian's can be asked, so what
// the conformance suite cannot compare.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatSnapshot, parseSnapshot } from "../../../src/xenstore/server/snapshot.ts";
import { playTable, scenario } from "./scenario.ts";

test("a quota that was set holds at once, and 0 is none", () => {
  playTable([
    ["a INTRODUCE 5|1|2|", "a< OK"],
    ["a MKDIR /local/domain/5|", "a< OK"],
    ["a SET_PERMS /local/domain/5|n5|", "a< OK"],
    ["a SET_QUOTA 5|nodes|2|", "a< OK"],
    ["d5 WRITE a|", "d5< OK"],
    ["d5 WRITE b|", "d5< !ENOSPC"],
    ["d5 WRITE b/c|", "d5< !ENOSPC"],
    ["a SET_QUOTA 5|nodes|0|", "a< OK"],
    ["d5 WRITE b|", "d5< OK"],
    ["a GET_QUOTA 5|nodes|", "a< 0|"],
    ["a SET_QUOTA 5|node-permissions|1|", "a< OK"],
    ["d5 SET_PERMS a|n5|r1|", "d5< !ENOSPC"],
    ["a SET_QUOTA 5|path-max|10|", "a< OK"],
    ["d5 READ ten-letter|", "d5< !ENOENT"],
    ["d5 READ eleven-lett|", "d5< !EINVAL"],
  ]);
});

test("a quota for all is one for domains to come", () => {
  playTable([
    ["a INTRODUCE 5|1|2|", "a< OK"],
    ["a SET_QUOTA watches|1|", "a< OK"],
    ["a INTRODUCE 6|1|2|", "a< OK"],
    ["a GET_QUOTA watches|", "a< 1|"],
    ["a GET_QUOTA 5|watches|", "a< 128|"],
    ["a GET_QUOTA 6|watches|", "a< 1|"],
    ["a RELEASE 5|", "a< OK"],
    ["a INTRODUCE 5|1|2|", "a< OK"],
    ["a GET_QUOTA 5|watches|", "a< 1|"],
    [
      "a GET_QUOTA",
      "a< nodes watches outstanding transactions transaction-nodes node-permissions path-max node-size|",
    ],
    ["a GET_QUOTA memory|", "a< !EINVAL"],
    ["a SET_QUOTA nodes|-1|", "a< !EINVAL"],
    ["a SET_QUOTA 5|nodes|1|1|", "a< !EINVAL"],
    ["a SET_QUOTA nodes", "a< !EINVAL"],
  ]);
});

test("quotas are kept, and a state file from before them has the defaults", () => {
  const { arrange, store } = scenario();
  arrange("a SET_QUOTA nodes|7|", "a INTRODUCE 5|1|2|", "a SET_QUOTA 5|nodes|8|");
  const kept = parseSnapshot(formatSnapshot(store));
  assert.equal(kept.quotas.nodes, 7);
  assert.equal(kept.domains.get(5)?.quotas.nodes, 8);
  const older =
    '{"version":1,"domains":[[5,{"gfn":"1","eventChannel":"2"}]],"special":[],"root":{}}';
  assert.equal(parseSnapshot(older).domains.get(5)?.quotas.nodes, 1000);
});

test("a transaction makes no more changes than it may touch nodes", () => {
  playTable([
    ["a INTRODUCE 5|1|2|", "a< OK"],
    ["a SET_QUOTA 5|transaction-nodes|3|", "a< OK"],
    ["a WRITE /a|v", "a< OK"],
    ["a SET_PERMS /a|n5|", "a< OK"],
    ["d5 TRANSACTION_START |", "d5< 1|"],
    ["d5 WRITE#1 /a|1", "d5< OK"],
    ["d5 WRITE#1 /a|2", "d5< OK"],
    ["d5 WRITE#1 /a|3", "d5< OK"],
    ["d5 READ#1 /a|", "d5< 3"],
    ["d5 WRITE#1 /a|4", "d5< !ENOSPC"],
    ["d5 TRANSACTION_END#1 T|", "d5< !ENOMEM"],
    ["a READ /a|", "a< v"],
  ]);
});

test("the features are told, and cannot be changed once a domain is introduced", () => {
  playTable([
    ["a GET_FEATURE", "a< 4|"],
    ["a GET_FEATURE 0|", "a< 4|"],
    ["a GET_FEATURE x|", "a< !ENOENT"],
    ["a GET_FEATURE 5", "a< !EINVAL"],
    ["a SET_FEATURE 5|0|", "a< !ENOENT"],
    ["a INTRODUCE 5|1|2|", "a< OK"],
    ["a SET_FEATURE 5|0|", "a< !EBUSY"],
    ["d5 GET_FEATURE", "d5< 4|"],
  ]);
});

test("a depth counts levels below the watched path, also of the root and of relative paths", () => {
  playTable([
    ["a WATCH /|none|0|", "a< OK", "a* / none"],
    ["a WATCH /|one|1|", "a< OK", "a* / one"],
    ["a WATCH rel|two|2|", "a< OK", "a* rel two"],
    ["b WRITE /x|", "a* /x one", "b< OK"],
    ["b WRITE /x/y|", "b< OK"],
    ["b WRITE /|", "a* / none", "a* / one", "b< OK"],
    ["b WRITE rel/1/2|", "a* rel/1/2 two", "b< OK"],
    ["b WRITE rel/1/2/3|", "b< OK"],
    ["b RM rel|", "a* rel two", "b< OK"],
    ["a UNWATCH /|one|", "a< OK"],
  ]);
});

test("a special watch names the domain for who asks, and may be of one domain", () => {
  playTable([
    ["a WATCH @introduceDomain|any|1|", "a< OK", "a* @introduceDomain any"],
    ["a WATCH @releaseDomain|plain|", "a< OK", "a* @releaseDomain plain"],
    ["a WATCH @releaseDomain/6|six|", "a< OK", "a* @releaseDomain/6 six"],
    ["a WATCH @releaseDomain|t|0|", "a< !EINVAL"],
    ["b INTRODUCE 5|1|2|", "a* @introduceDomain/5 any", "b< OK"],
    ["b RELEASE 5|", "b< OK", "a* @releaseDomain plain"],
    ["b INTRODUCE 6|1|2|", "a* @introduceDomain/6 any", "b< OK"],
    ["b RELEASE 6|", "b< OK", "a* @releaseDomain plain", "a* @releaseDomain/6 six"],
  ]);
});

test("a release changes no node that a transaction has read", () => {
  playTable([
    ["a INTRODUCE 5|1|2|", "a< OK"],
    ["a WRITE /a|v", "a< OK"],
    ["a SET_PERMS /a|n0|r5|", "a< OK"],
    ["a TRANSACTION_START |", "a< 1|"],
    ["a READ#1 /a|", "a< v"],
    ["a RELEASE 5|", "a< OK"],
    ["a TRANSACTION_END#1 T|", "a< OK"],
  ]);
});
