// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { DropCounter, readDropCounter } from "../../../src/fifo/index.ts";
import { makeFifo } from "../../../src/kernel/index.ts";

const root = mkdtempSync(join(tmpdir(), "xenlogd-counter-"));
after(() => rmSync(root, { recursive: true }));

let paths = 0;
function freshPath(): string {
  paths += 1;
  return join(root, String(paths));
}

describe("a counter of dropped bytes", () => {
  it("is continued, with what its last process may have dropped while it was killed", () => {
    const path = freshPath();
    const first = new DropCounter(path, "whose");
    first.taking(100);
    first.took(40);
    assert.deepEqual(readDropCounter(path), { bytes: 40, label: "whose" });
    first.taking(7);
    first.close();
    const next = new DropCounter(path, "other");
    assert.equal(next.bytes, 47, "never too small");
    assert.deepEqual(readDropCounter(path), { bytes: 47, label: "other" });
    next.remove();
    assert.equal(readDropCounter(path), undefined);
  });

  it("neither waits for a FIFO in its place nor follows a link, and counts all the same", () => {
    const [fifo, link, target] = [freshPath(), freshPath(), freshPath()];
    makeFifo(fifo, 0o600);
    writeFileSync(target, "of another program");
    symlinkSync(target, link);
    for (const path of [fifo, link]) {
      assert.equal(readDropCounter(path), undefined);
      const counter = new DropCounter(path, "whose");
      counter.took(5);
      assert.equal(counter.bytes, 5);
      counter.close();
    }
    assert.equal(readFileSync(target, "utf8"), "of another program");
  });

  it("begins at 0 with a damaged file", () => {
    const path = freshPath();
    for (const text of ["", "7", "1234567890123456 x\n", "-000000000000007 0000000000000000 x\n"]) {
      writeFileSync(path, text);
      assert.equal(readDropCounter(path), undefined, JSON.stringify(text));
      const counter = new DropCounter(path, "");
      assert.equal(counter.bytes, 0);
      counter.remove();
    }
  });
});
