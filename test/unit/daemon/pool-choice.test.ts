// SPDX-License-Identifier: Apache-2.0
// Which stages a pump starts with.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { choosePool, type IdlePool } from "../../../src/daemon/pumps/pool-choice.ts";

const a: IdlePool = { name: "7-0", contents: "disk-a" };
const b: IdlePool = { name: "7-1", contents: "disk-b" };
const unreported: IdlePool = { name: "7-1", contents: undefined };

describe("a pump's first choice", () => {
  it("is the pool of its device number, which it verifies", () => {
    assert.deepEqual(choosePool("7-1", [a, b], undefined), { name: "7-1", contents: "disk-b" });
  });

  it("is not verified where no pump has reported what it belongs to", () => {
    assert.deepEqual(choosePool("7-1", [a, unreported], undefined), {
      name: "7-1",
      contents: null,
    });
  });

  it("is a pool that waits for its disk where its device number has none", () => {
    assert.deepEqual(choosePool("7-2", [unreported, a], undefined), {
      name: "7-0",
      contents: "disk-a",
    });
  });

  it("is new stages where no pool is known", () => {
    assert.deepEqual(choosePool("7-2", [], undefined), { name: "7-2", contents: null });
  });
});

describe("a pool of a file system that only its type and number identify", () => {
  const pool: IdlePool = { name: "0-45", contents: "type-65735546" };

  it("is that of the same number only", () => {
    const own = { name: "0-45", contents: "type-65735546" };
    assert.deepEqual(choosePool("0-45", [pool], undefined), own);
    assert.deepEqual(choosePool("0-46", [pool], undefined), { name: "0-46", contents: null });
    const found = { contents: "type-65735546" };
    assert.deepEqual(choosePool("0-46", [pool], found), { name: "0-46", contents: null });
  });
});

describe("a pump's choice after it has looked", () => {
  it("is the pool of what it has found", () => {
    const found = { contents: "disk-b" };
    assert.deepEqual(choosePool("7-0", [a, b], found), { name: "7-1", contents: "disk-b" });
  });

  it("is new stages, under a name of their own, for a disk that has none", () => {
    const found = { contents: "disk-c" };
    assert.deepEqual(choosePool("7-2", [a, b], found), { name: "7-2", contents: null });
    assert.deepEqual(choosePool("7-0", [a, b], found), { name: "7-0.2", contents: null });
  });

  it("is the pool of its device number where it could not look", () => {
    assert.deepEqual(choosePool("7-0", [a, b], { contents: null }), {
      name: "7-0",
      contents: null,
    });
    assert.deepEqual(choosePool("7-2", [a, b], { contents: null }), {
      name: "7-2",
      contents: null,
    });
  });
});
