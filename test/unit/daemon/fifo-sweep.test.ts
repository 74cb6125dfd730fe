// SPDX-License-Identifier: Apache-2.0
// Which FIFOs are orphans: an hour old, in no request, without a writer and without bytes.

import assert from "node:assert/strict";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { sweepFifos } from "../../../src/daemon/collect/fifo-sweep.ts";
import { makeFifo } from "../../../src/kernel/index.ts";

const hourMs = 60 * 60 * 1000;
const marginMs = 60_000;

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "xenlogd-sweep-"));
  path = join(directory, "fifo");
  makeFifo(path, 0o600);
});
afterEach(() => rmSync(directory, { recursive: true }));

/** The names that are removed, so long after now. */
function sweptAfter(ms: number, named: readonly string[] = []): readonly string[] {
  return sweepFifos(directory, new Set(named), Date.now() + ms);
}

describe("a FIFO in the daemon's directory", () => {
  // contract: C65
  it("is removed after an hour, and not before", () => {
    assert.deepEqual(sweptAfter(hourMs - marginMs), []);
    assert.deepEqual(sweptAfter(hourMs + marginMs), ["fifo"]);
    assert.ok(!existsSync(path));
  });

  it("stays while a request names it", () => {
    assert.deepEqual(sweptAfter(2 * hourMs, [path]), []);
  });

  it("stays while it has a writer or bytes", () => {
    const writer = openSync(path, "r+");
    assert.deepEqual(sweptAfter(2 * hourMs), []);
    const reader = openSync(path, "r");
    writeSync(writer, "x");
    closeSync(writer);
    assert.deepEqual(sweptAfter(2 * hourMs), []);
    closeSync(reader);
    assert.deepEqual(sweptAfter(2 * hourMs), ["fifo"]);
  });

  it("is all that is removed: another file is left alone", () => {
    writeFileSync(join(directory, "file"), "", { mode: 0o600 });
    assert.deepEqual(sweptAfter(2 * hourMs), ["fifo"]);
  });
});
