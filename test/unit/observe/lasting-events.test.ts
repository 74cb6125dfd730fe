// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";
import { type DaemonEvent, LastingEvents } from "../../../src/observe/index.ts";

const intervalMs = 60_000;

function untrusted(key: string): DaemonEvent {
  const about = { key, name: "demo", log: null, file: null };
  return { kind: "StreamUntrusted", ...about, path: `/libxl/${key}/pipe`, reason: "why" };
}

/** With a clock of its own. */
function withEvents(body: (events: LastingEvents, said: () => string[], wait: Wait) => void): void {
  mock.timers.enable({ apis: ["setInterval", "Date"] });
  let nowMs = 0;
  const clock = mock.method(performance, "now", () => nowMs);
  try {
    let keys: string[] = [];
    const emit = (event: DaemonEvent): void => {
      keys.push("key" in event ? event.key : "");
    };
    const said = (): string[] => {
      const before = keys;
      keys = [];
      return before;
    };
    const wait = (ms: number): void => {
      for (let passed = 0; passed < ms; passed += 1000) {
        nowMs += 1000;
        mock.timers.tick(1000);
      }
    };
    body(new LastingEvents({ emit }), said, wait);
  } finally {
    clock.mock.restore();
    mock.timers.reset();
  }
}

type Wait = (ms: number) => void;

describe("an event about what lasts", () => {
  // contract: C28
  it("is said at once, and again once a minute until it ends", () => {
    withEvents((events, said, wait) => {
      events.begin("a", untrusted("a"));
      assert.deepEqual(said(), ["a"]);
      wait(intervalMs - 1000);
      assert.deepEqual(said(), []);
      wait(1000);
      assert.deepEqual(said(), ["a"]);
      wait(3 * intervalMs);
      assert.deepEqual(said(), ["a", "a", "a"]);
      assert.equal(events.end("a"), true);
      wait(3 * intervalMs);
      assert.deepEqual(said(), []);
    });
  });

  it("is said once in a minute, however often it begins and ends, and then its end is not", () => {
    withEvents((events, said, wait) => {
      const ends: boolean[] = [];
      for (let count = 0; count < 10; count += 1) {
        events.begin("a", untrusted("a"));
        ends.push(events.end("a"));
        wait(1000);
      }
      assert.deepEqual(said(), ["a"]);
      assert.deepEqual(ends, [true, ...Array(9).fill(false)]);
    });
  });

  it("that begins within the minute and lasts is said when the minute is over", () => {
    withEvents((events, said, wait) => {
      events.begin("a", untrusted("a"));
      events.end("a");
      said();
      wait(10_000);
      events.begin("a", untrusted("a"));
      assert.deepEqual(said(), []);
      wait(intervalMs - 10_000);
      assert.deepEqual(said(), ["a"]);
      assert.equal(events.end("a"), true);
    });
  });

  it("has its turn with the others of its subject, and no guest makes more of them than 16", () => {
    withEvents((events, said, wait) => {
      for (let id = 1; id <= 1000; id += 1) events.begin("5", untrusted(`5/${id}`), `5/${id}`);
      events.begin("6", untrusted("6/1"), "6/1");
      assert.deepEqual(said(), ["5/1", "6/1"]);
      assert.equal(events.parts.length, 17);
      wait(16 * intervalMs);
      const ofGuest = said().filter((key) => key.startsWith("5/"));
      assert.deepEqual(ofGuest, [...Array.from({ length: 15 }, (_, n) => `5/${n + 2}`), "5/1"]);
    });
  });

  it("has the last reason when it is said again", () => {
    withEvents((events, said, wait) => {
      events.begin("a", untrusted("first"), "part");
      events.begin("a", untrusted("second"), "part");
      wait(intervalMs);
      assert.deepEqual(said(), ["first", "second"]);
    });
  });
});
