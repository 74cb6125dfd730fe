// SPDX-License-Identifier: Apache-2.0
// A reader while the files change between two of its system calls: a position is the byte that was
// written there, or the answer that it is gone; never another byte.

import assert from "node:assert/strict";
import { truncateSync } from "node:fs";
import { describe, it } from "node:test";
import { observeSystemCalls } from "../../support/observed-calls.ts";

const observer = observeSystemCalls();
const { LogReader } = await import("../../../src/logfile/index.ts");
const { lines, SinkBench } = await import("../../support/sink-bench.ts");

type Bench = InstanceType<typeof SinkBench>;

const epoch = "00000000000000aa";
const before = lines(0, 100);

/** What happens to the files, and how many calls of one look it is tried between. */
const changes: Readonly<Record<string, (bench: Bench) => void>> = {
  "is rotated": (bench) => bench.write(lines(1000, 500)),
  "is rotated twice": (bench) => bench.write(lines(1000, 1000)),
  "is rotated away": (bench) => bench.write(lines(1000, 4000)),
  "is emptied and goes on": (bench) => {
    truncateSync(bench.path(), 0);
    assert.equal(bench.sink.look(), undefined);
    bench.write(lines(5000, 100));
  },
  "is cut short and goes on": (bench) => {
    truncateSync(bench.path(), 100);
    assert.equal(bench.sink.look(), undefined);
    bench.write(lines(5000, 100));
  },
};

describe("a position that is read while its log", () => {
  for (const [change, perform] of Object.entries(changes)) {
    for (const copies of [0, 2]) {
      it(`${change}, with ${copies} copies, is its byte or gone`, (t) => {
        const answers = new Map<string, number>();
        let calls = 1;
        for (let at = 0; at < calls; at += 1) {
          using bench = new SinkBench({ copies });
          bench.write(before);
          const { answer, count } = readWhile(bench, at, perform);
          answers.set(answer, (answers.get(answer) ?? 0) + 1);
          calls = Math.max(calls, count);
        }
        assert.ok(calls > 5, `${calls} calls`);
        t.diagnostic(JSON.stringify({ calls, ...Object.fromEntries(answers) }));
      });
    }
  }
});

/** Reads in the middle of the log's first bytes; the files change before call number `at`. */
function readWhile(
  bench: Bench,
  at: number,
  perform: (bench: Bench) => void,
): { readonly answer: string; readonly count: number } {
  const offset = 200;
  const reader = new LogReader(bench.root, "own/x.log");
  let count = 0;
  let isChanging = false;
  observer.before = () => {
    if (isChanging) return;
    isChanging = true;
    if (count === at) perform(bench);
    isChanging = false;
    count += 1;
  };
  try {
    const read = reader.read({ epoch, offset }, 100);
    if (read.kind === "bytes") {
      assert.equal(read.bytes.toString(), before.slice(offset, offset + read.bytes.length));
    } else {
      assert.equal(read.kind, "rotatedAway");
    }
    return { answer: read.kind, count };
  } finally {
    observer.before = undefined;
    reader.close();
  }
}
