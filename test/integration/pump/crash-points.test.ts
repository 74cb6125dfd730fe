// SPDX-License-Identifier: Apache-2.0
// kill -9 at every system call of the pump, before it and after it: nothing is lost, nothing is
// doubled, and the log is within its bound at every instant.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PumpBench } from "../../support/crash/bench.ts";
import type { Kill } from "../../support/crash/crash-points.ts";
import { killsAt, playScenario, type Scenario, scenarios } from "../../support/crash/scenarios.ts";

/** Of all kills the first at each kind of point, and of the others one in so many; 1: all of them. */
const killStride = Number(process.env["XENLOGD_TEST_KILLS"] ?? 16);
/** Of all pairs of kills one in so many; 1, all of them, takes hours. */
const pairStride = Number(process.env["XENLOGD_TEST_PAIRS"] ?? 4000);
const firstStride = Math.ceil(Math.cbrt(pairStride));
const secondStride = Math.ceil(pairStride / firstStride);

for (const scenario of scenarios) {
  describe(`a pump killed during ${scenario.name}`, () => {
    const { points } = playScenario(scenario, { positions: 300 });

    it("comes to the crash points that are expected", () => {
      assert.deepEqual(
        scenario.points.filter((point) => !points.includes(point)),
        [],
      );
    });

    it("at any of them keeps every byte once", (t) => {
      const hits = new Set<string>();
      let kills = 0;
      for (const [index, kill] of killsAt(points).entries()) {
        const hit = `${kill.when} ${points[kill.at]}`;
        if (index % killStride !== 0 && hits.has(hit)) continue;
        play(scenario, [kill]);
        hits.add(hit);
        kills += 1;
      }
      for (const point of scenario.points) {
        assert.ok(hits.has(`before ${point}`) && hits.has(`after ${point}`), point);
      }
      t.diagnostic(`${points.length} points, ${kills} of ${killsAt(points).length} kills`);
    });

    it("and whose successor is killed as well keeps every byte once", (t) => {
      let pairs = 0;
      let due = 0;
      for (const [index, first] of killsAt(points).entries()) {
        if (index % firstStride !== 0) continue;
        const later = killsAt(play(scenario, [first]).slice(first.at + 1));
        for (; due < later.length; due += secondStride) {
          play(scenario, [first, later[due] as Kill]);
          pairs += 1;
        }
        due -= later.length;
      }
      t.diagnostic(`${pairs} pairs of kills`);
    });
  });
}

describe("a stream whose limit was lowered", () => {
  it("keeps its offsets when its live file is shortened", () => {
    using bench = new PumpBench({ limitBytes: 8192, copies: 1 });
    bench.write(5000);
    bench.pump();
    bench.reconfigure({ limitBytes: 4096, copies: 1 });
    bench.pump();
    bench.check();
  });
});

describe("a stream whose limit was raised", () => {
  it("after a kill, and whose next pump is killed too, keeps every byte", () => {
    using bench = new PumpBench({ limitBytes: 4096, copies: 1 });
    bench.write(100);
    bench.pumpOnce({ at: "splice fifo -> stage", when: "after" });
    bench.reconfigure({ limitBytes: 8192, copies: 1 });
    bench.write(9000, 0);
    bench.pumpOnce({ at: "tee stage -> scratch", when: "before" });
    bench.pump();
    assert.equal(bench.contents().length, 9100);
    bench.check();
  });
});

describe("a stream whose bound was raised while it ran", () => {
  it("is not brought under the old one when its stages are lost", () => {
    using bench = new PumpBench({ limitBytes: 4096, copies: 0, stageBytes: 4096 });
    bench.write(12_000);
    bench.pump((stream) => {
      // Moves one stage full.
      stream.nodesGone();
      stream.nodesBack();
      bench.rebound(stream, { limitBytes: 8192, copies: 1 });
    });
    const sizes = bench.sizes();
    bench.loseStages();
    bench.pump();
    assert.deepEqual(bench.sizes(), sizes);
    bench.check();
  });
});

/** Plays the scenario with kills, and says where they were if it fails. */
function play(scenario: Scenario, kills: readonly Kill[]): readonly string[] {
  try {
    const { points, killsLeft } = playScenario(scenario, { kills });
    assert.equal(killsLeft, 0, "it was killed as often as it was meant to be");
    return points;
  } catch (error) {
    throw new Error(`${scenario.name}, killed at ${JSON.stringify(kills)}`, { cause: error });
  }
}
