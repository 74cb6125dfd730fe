// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chainIndex } from "../../../src/logfile/files/index.ts";
import { planRotation, type RotationStep } from "../../../src/logfile/write/rotation-plan.ts";

/** A directory in memory: file name → what is in it. */
type Files = Map<string, string>;

function perform(files: Files, step: RotationStep): void {
  switch (step.kind) {
    case "unlink":
      assert.ok(files.delete(step.name), `unlink of missing ${step.name}`);
      break;
    case "rename": {
      const content = files.get(step.from);
      assert.ok(content !== undefined, `rename of missing ${step.from}`);
      assert.ok(!files.has(step.to), `rename over ${step.to}`);
      files.delete(step.from);
      files.set(step.to, content);
      break;
    }
  }
}

function plan(files: Files, copies: number): readonly RotationStep[] {
  return planRotation("x", copies, (index) => files.has(index === 0 ? "x" : `x.${index}`));
}

function rotate(files: Files, copies: number): void {
  for (const step of plan(files, copies)) perform(files, step);
  assert.ok(!files.has("x"));
  files.set("x", "");
}

function chainOf(count: number): Files {
  return new Map(
    Array.from({ length: count }, (_, index) => [index === 0 ? "x" : `x.${index}`, `${index}`]),
  );
}

describe("the plan of a rotation", () => {
  it("shifts a full chain and removes the oldest copy first", () => {
    assert.deepEqual(plan(chainOf(4), 3), [
      { kind: "unlink", name: "x.3" },
      { kind: "rename", from: "x.2", to: "x.3" },
      { kind: "rename", from: "x.1", to: "x.2" },
      { kind: "rename", from: "x", to: "x.1" },
    ]);
  });

  it("replaces the only file when no copies are kept", () => {
    assert.deepEqual(plan(chainOf(1), 0), [{ kind: "unlink", name: "x" }]);
  });

  it("moves nothing when the live file is missing", () => {
    const files: Files = new Map([["x.1", "1"]]);
    assert.deepEqual(plan(files, 3), []);
  });

  it("never has more than copies + 1 files at any instant", () => {
    for (const copies of [0, 1, 2, 3, 10]) {
      const files = chainOf(copies + 1);
      for (const step of plan(files, copies)) {
        perform(files, step);
        assert.ok(files.size <= copies + 1, `${copies} copies, ${files.size} files`);
      }
    }
  });

  it("interrupted after any step and planned anew, ends as if it had not been interrupted", () => {
    for (const copies of [0, 1, 2, 3, 7]) {
      for (let count = 1; count <= copies + 1; count += 1) {
        const whole = chainOf(count);
        rotate(whole, copies);
        const steps = plan(chainOf(count), copies).length;
        for (let done = 1; done <= steps; done += 1) {
          const files = chainOf(count);
          for (const step of plan(files, copies).slice(0, done)) perform(files, step);
          rotate(files, copies);
          assert.deepEqual(
            new Map([...files].sort()),
            new Map([...whole].sort()),
            `${count} files, ${copies} copies, interrupted after step ${done}`,
          );
        }
      }
    }
  });
});

describe("the names of a chain", () => {
  const cases: [string, number | undefined][] = [
    ["x.log", 0],
    ["x.log.1", 1],
    ["x.log.12", 12],
    ["x.log.0", undefined],
    ["x.log.01", undefined],
    ["x.log.1a", undefined],
    ["x.log.", undefined],
    ["x.log.1.2", undefined],
    ["y.log.1", undefined],
    [".x.log.1", undefined],
    ["x.log.9999999999", undefined],
  ];
  for (const [name, index] of cases) {
    it(`${name} is ${index === undefined ? "no part of x.log" : `index ${index}`}`, () => {
      assert.equal(chainIndex("x.log", name), index);
    });
  }
});
