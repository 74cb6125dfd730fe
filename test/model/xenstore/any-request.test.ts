// SPDX-License-Identifier: Apache-2.0
// Any request at all, sensible or not, from dom0 or a domain, has one reply that a client can read:
// nothing throws, since what throws here would end the server for all.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { wireErrorCodes } from "../../../src/xenstore/errors.ts";
import { messageName, payloadBytesMax } from "../../../src/xenstore/message.ts";
import { handleRequest } from "../../../src/xenstore/server/requests.ts";
import { formatSnapshot, parseSnapshot } from "../../../src/xenstore/server/snapshot.ts";
import { createStore, openSession } from "../../../src/xenstore/server/store.ts";

const runs = Number(process.env["XENLOGD_TEST_RUNS"] ?? 1000);

/** Words that requests are made of, good and bad, so that random payloads get past the first check. */
const words = [
  ..."T F 0 1 5 6 99999 -1 x / /a /a/b /a/b/c rel /local/domain/5/p // /a/ /a.b @releaseDomain".split(
    " ",
  ),
  ..."@releaseDomain/5 @x n0 r5 b6 nodes watches check print help __proto__ /__proto__ \u00ff".split(
    " ",
  ),
  "",
  "p".repeat(2049),
];
const piece = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...words).map((word) => `${word}\0`) },
  { weight: 1, arbitrary: fc.constantFrom(...words) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 8 }) },
);
const request = fc.record({
  domid: fc.constantFrom(0, 0, 5),
  type: fc.oneof(fc.nat({ max: 27 }), fc.nat({ max: 0xffffffff })),
  reqId: fc.nat({ max: 0xffffffff }),
  txId: fc.constantFrom(0, 0, 1, 2, 0xffffffff),
  payload: fc
    .array(piece, { maxLength: 5 })
    .map((pieces) => Buffer.from(pieces.join(""), "latin1")),
});

test("any request has one reply, with its ids, that fits into a message", () => {
  fc.assert(
    fc.property(fc.array(request, { maxLength: 60, size: "max" }), (requests) => {
      const store = createStore();
      const sessions = new Map([0, 5].map((domid) => [domid, openSession(domid)]));
      for (const { domid, ...message } of requests) {
        const session = sessions.get(domid);
        assert.ok(session);
        const replies = handleRequest(store, session, message).flatMap((delivery) =>
          delivery.kind === "reply" ? [delivery.message] : [],
        );
        assert.equal(replies.length, 1);
        const [reply] = replies;
        assert.deepEqual([reply?.reqId, reply?.txId], [message.reqId, message.txId]);
        assert.ok((reply?.payload.byteLength ?? 0) <= payloadBytesMax);
        if (reply?.type === message.type) continue;
        assert.equal(messageName(reply?.type ?? 0), "ERROR");
        const code = Buffer.from(reply?.payload ?? [])
          .toString()
          .slice(0, -1);
        assert.ok((wireErrorCodes as readonly string[]).includes(code), code);
      }
      const kept = formatSnapshot(store);
      assert.equal(formatSnapshot(parseSnapshot(kept)), kept);
    }),
    { numRuns: runs },
  );
});
