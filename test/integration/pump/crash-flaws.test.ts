// SPDX-License-Identifier: Apache-2.0
// The kills at every system call find out what they are for: pumps with one thing wrong.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Product, type PumpBenchOptions, wrongProduct } from "../../support/crash/bench.ts";
import { flawsAtOnce, flawsUnderKills } from "../../support/crash/flaws.ts";
import { killsAt, playScenario, type Scenario, scenarios } from "../../support/crash/scenarios.ts";

/** The longest chain shows the most. */
const rotations = scenarios.slice(0, 3).reverse();

function scenariosFor(name: string | undefined): readonly Scenario[] {
  return name === undefined ? rotations : scenarios.filter((scenario) => scenario.name === name);
}

describe("a pump that is wrong", () => {
  for (const { why, scenario: name, mutation } of flawsUnderKills) {
    it(`${why} is found out by a kill`, async (t) => {
      const product = await wrongProduct(mutation);
      for (const scenario of scenarios) {
        if (scenario.isDeadly !== true) playScenario(scenario, { product });
      }
      const words = firstOf(scenariosFor(name), (scenario) => failureUnderKill(scenario, product));
      t.diagnostic(words ?? "not found out");
      assert.ok(words !== undefined);
    });
  }
  for (const { why, scenario: name, mutation } of flawsAtOnce) {
    it(`${why} is found out by looking`, async (t) => {
      const product = await wrongProduct(mutation);
      const words = firstOf(scenariosFor(name), (scenario) => failureOf(scenario, { product }));
      t.diagnostic(words ?? "not found out");
      assert.ok(words !== undefined);
    });
  }
});

/** The first kill that a wrong product does not survive, and what was seen then. */
function failureUnderKill(scenario: Scenario, product: Product): string | undefined {
  const { points } = playScenario(scenario, { product });
  return firstOf(killsAt(points), (kill) => {
    const words = failureOf(scenario, { product, kills: [kill] });
    return words && `${kill.when} ${points[kill.at]}: ${words}`;
  });
}

function failureOf(scenario: Scenario, options: Partial<PumpBenchOptions>): string | undefined {
  try {
    playScenario(scenario, options);
    return undefined;
  } catch (error) {
    return String(error);
  }
}

function firstOf<T, R>(items: readonly T[], look: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = look(item);
    if (found !== undefined) return found;
  }
  return undefined;
}
