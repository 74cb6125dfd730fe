// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import type { StreamRecord } from "../../../src/pump/record.ts";
import { type Rate, rateOf, TokenBucket } from "../../../src/pump/token-bucket.ts";

function record(change: Partial<StreamRecord>): StreamRecord {
  return { key: "5/1", rateBytesPerSecond: null, burstBytes: null, ...change } as StreamRecord;
}

describe("the rate of a log", () => {
  const configured: Rate = { bytesPerSecond: 1000, burstBytes: 9000 };
  const cases: [string, Partial<StreamRecord>, Rate | null, Rate | undefined][] = [
    // contract: C10, C11, C29
    ["is none without a word about it", {}, null, undefined],
    ["is the configured one", {}, configured, configured],
    ["is none for the host's own logs", { key: "host/1" }, configured, undefined],
    [
      "is that of the request, with the configured burst",
      { rateBytesPerSecond: 5 },
      configured,
      { bytesPerSecond: 5, burstBytes: 9000 },
    ],
    [
      "is the configured one with the burst of the request",
      { burstBytes: 7 },
      configured,
      { bytesPerSecond: 1000, burstBytes: 7 },
    ],
    ["is none with a burst alone", { burstBytes: 7 }, null, undefined],
    [
      "has a second's worth for a burst where none is said",
      { key: "host/1", rateBytesPerSecond: 1 << 20 },
      configured,
      { bytesPerSecond: 1 << 20, burstBytes: 1 << 20 },
    ],
    [
      "has 64 KiB where a second's worth is less",
      { rateBytesPerSecond: 5 },
      null,
      { bytesPerSecond: 5, burstBytes: 65_536 },
    ],
  ];
  for (const [name, change, fallback, expected] of cases) {
    it(name, () => assert.deepEqual(rateOf(record(change), fallback), expected));
  }
});

describe("a token bucket", () => {
  it("lets a burst pass, and then its rate", () => {
    const bucket = new TokenBucket({ bytesPerSecond: 100_000, burstBytes: 50_000 }, 0);
    assert.equal(bucket.available(0), 50_000);
    bucket.take(50_000);
    assert.equal(bucket.available(0), 0);
    assert.equal(bucket.refillMs("wait"), 100);
    assert.equal(bucket.available(100), 10_000);
    assert.equal(bucket.refillMs("drop"), 400);
    assert.equal(bucket.available(10_000), 50_000, "no more than a burst, however long it waits");
  });

  it("has nothing rather than too little for a move", () => {
    const bucket = new TokenBucket({ bytesPerSecond: 1000, burstBytes: 50_000 }, 0);
    bucket.take(50_000);
    assert.equal(bucket.available(4000), 0);
    assert.equal(bucket.available(4096), 4096);
  });

  it("whose burst is less than that serves it whole", () => {
    const bucket = new TokenBucket({ bytesPerSecond: 1, burstBytes: 10 }, 0);
    assert.equal(bucket.available(0), 10);
    bucket.take(10);
    assert.equal(bucket.refillMs("wait"), 10_000);
    assert.equal(bucket.available(9999), 0);
    assert.equal(bucket.available(10_000), 10);
  });

  it("never lets more pass than burst + rate × time", () => {
    const rate = fc.record({
      bytesPerSecond: fc.integer({ min: 1, max: 1 << 24 }),
      burstBytes: fc.integer({ min: 1, max: 1 << 24 }),
    });
    const steps = fc.array(fc.record({ ms: fc.nat(2000), asked: fc.nat(1 << 20) }));
    void fc.assert(
      fc.property(rate, steps, (rate, steps) => {
        const bucket = new TokenBucket(rate, 0);
        let nowMs = 0;
        let passed = 0;
        for (const { ms, asked } of steps) {
          nowMs += ms;
          const bytes = Math.min(asked, bucket.available(nowMs));
          bucket.take(bytes);
          passed += bytes;
          const most = rate.burstBytes + (rate.bytesPerSecond * nowMs) / 1000;
          assert.ok(passed <= most + 1e-3, `${passed} of ${most}`);
          if (bucket.available(nowMs) > 0) continue;
          const again = nowMs + bucket.refillMs("wait");
          assert.ok(bucket.available(again) > 0, "after the pause it goes on");
          nowMs = again;
        }
      }),
    );
  });
});
