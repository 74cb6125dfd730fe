// SPDX-License-Identifier: Apache-2.0
// What others do to the files of a live log: nothing that comes after is lost, and no position becomes
// another byte's.

import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { LogReader } from "../../../src/logfile/index.ts";
import { lines, SinkBench } from "../../support/sink-bench.ts";

describe("somebody else's hands on a live log", () => {
  const before = lines(0, 100);
  const after = lines(100, 100);
  /** What logrotate and people do, what is told of it, and what is in the files then. */
  const cases: Record<
    string,
    {
      readonly does: (bench: SinkBench) => void;
      readonly told: string;
      readonly left: string;
      /** Bytes that others put in. */
      readonly foreign?: number;
    }
  > = {
    "emptied it": {
      does: (bench) => truncateSync(bench.path(), 0),
      told: "truncated",
      left: after,
    },
    "cut it short": {
      does: (bench) => truncateSync(bench.path(), 70),
      told: "truncated",
      left: before.slice(0, 70) + after,
    },
    "wrote into it": {
      does: (bench) => appendFileSync(bench.path(), "by hand\n"),
      told: "extended",
      left: `${before}by hand\n${after}`,
      foreign: "by hand\n".length,
    },
    "removed it": { does: (bench) => rmSync(bench.path()), told: "replaced", left: after },
    "renamed it to a copy": {
      does: (bench) => renameSync(bench.path(), bench.path("x.log.1")),
      told: "renamed to x.log.1",
      left: before + after,
    },
    "renamed it away": {
      does: (bench) => renameSync(bench.path(), bench.path("old")),
      told: "renamed to old",
      left: after,
    },
    "renamed it into another directory": {
      does: (bench) => renameSync(bench.path(), join(bench.root, "x.log")),
      told: "replaced",
      left: after,
    },
    "renamed it and put an empty file in its place": {
      does: (bench) => {
        renameSync(bench.path(), bench.path("x.log.1"));
        writeFileSync(bench.path(), "");
      },
      told: "renamed to x.log.1",
      left: before + after,
    },
    "put another file in its place": {
      does: (bench) => {
        writeFileSync(bench.path("new"), "a new one\n");
        renameSync(bench.path("new"), bench.path());
      },
      told: "replaced",
      left: `a new one\n${after}`,
      foreign: "a new one\n".length,
    },
    "moved its directory away": {
      does: (bench) => renameSync(join(bench.root, "own"), join(bench.root, "moved")),
      told: "directory",
      left: after,
    },
    "removed its directory": {
      does: (bench) => rmSync(join(bench.root, "own"), { recursive: true }),
      told: "directory",
      left: after,
    },
    "removed all there was": {
      does: (bench) => rmSync(bench.root, { recursive: true }),
      told: "directory",
      left: after,
    },
  };
  /** What writers sent, what others put in, what is on disk; and no rotation. */
  const counted = ({ sink }: SinkBench): readonly unknown[] => {
    const { writtenBytes, insertedBytes, sizeBytes, rotations } = sink.report();
    return [writtenBytes, insertedBytes, sizeBytes, rotations];
  };

  for (const [what, { does, told, left, foreign = 0 }] of Object.entries(cases)) {
    const counters = [before.length + after.length, { marker: 0, foreign }, left.length, 0];

    it(`that ${what} loses nothing that comes after`, () => {
      using bench = new SinkBench();
      bench.write(before);
      does(bench);
      assert.equal(bench.sink.look(), undefined);
      bench.write(after);
      assert.equal(bench.contents(), left);
      assert.deepEqual(bench.interferences, [told]);
      assert.deepEqual(counted(bench), counters);
      bench.check();
      bench.again();
      bench.write(lines(200, 1000));
      bench.check();
      assert.ok(bench.bytesOnDisk <= 4 * 4096);
    });

    it(`that ${what} while nobody looked loses nothing that comes after`, () => {
      using bench = new SinkBench();
      bench.write(before);
      does(bench);
      if (!existsSync(join(bench.root, "own")))
        mkdirSync(join(bench.root, "own"), { recursive: true });
      bench.again();
      bench.write(after);
      assert.equal(bench.contents(), left);
      assert.deepEqual(counted(bench), counters);
      bench.check();
    });
  }

  it("lets the counters add up to the files, between rotations and lines of ours", () => {
    using bench = new SinkBench({ copies: 9 });
    bench.write(lines(0, 1000));
    bench.sink.mark("[one of ours]");
    appendFileSync(bench.path(), "by hand\n");
    bench.write(lines(1000, 500));
    bench.again();
    appendFileSync(bench.path(), "by hand, too\n");
    bench.again();
    bench.sink.mark("[another one]");
    bench.write(lines(1500, 10));
    const marker = "[one of ours]\n[another one]\n".length;
    const foreign = "by hand\nby hand, too\n".length;
    const sent = lines(0, 1510).length;
    const { writtenBytes, insertedBytes, sizeBytes, oldestOffset } = bench.sink.report();
    assert.deepEqual([writtenBytes, insertedBytes], [sent, { marker, foreign }]);
    assert.deepEqual([sizeBytes, oldestOffset], [sent + marker + foreign, 0]);
    bench.write(lines(1510, 5000));
    const { writtenBytes: written, ...last } = bench.sink.report();
    assert.equal(written, lines(0, 6510).length);
    assert.equal(last.sizeBytes, written + marker + foreign - last.oldestOffset);
    assert.equal(last.sizeBytes, bench.bytesOnDisk);
    bench.check();
  });

  it("above its limit is brought under it again", () => {
    using bench = new SinkBench();
    bench.write(before);
    appendFileSync(bench.path(), "x".repeat(10_000));
    bench.write(after);
    assert.ok(bench.contents().endsWith(after));
    assert.ok(bench.bytesOnDisk <= 4 * 4096);
    bench.check();
  });

  it("are told of in the index, also when they were there while nobody looked", () => {
    using bench = new SinkBench();
    bench.write(before);
    writeFileSync(bench.path("new"), "a new one\n");
    renameSync(bench.path("new"), bench.path());
    bench.again();
    bench.write(after);
    const { ranges, epochs } = bench.index();
    const end = bench.sink.offset - after.length;
    assert.deepEqual(ranges, [
      { kind: "foreign", start: (epochs[0]?.start ?? 0) + end - 10, bytes: 10 },
    ]);
  });

  it("that cut off all of an epoch, and of the one before it, leave the rest in place", () => {
    for (const left of [0, 300]) {
      using bench = new SinkBench();
      bench.write(lines(0, 50));
      bench.again({ epoch: "00000000000000bb" });
      truncateSync(bench.path(), left);
      bench.again();
      bench.write(after);
      assert.equal(bench.sink.offset, after.length);
      const reader = new LogReader(bench.root, "own/x.log");
      const read = (epoch: string): string => {
        const found = reader.read({ epoch: epoch.padStart(16, "0"), offset: 0 }, 4096);
        return found.kind === "bytes" ? found.bytes.toString() : found.kind;
      };
      assert.equal(read("bb"), after);
      assert.equal(read("aa"), left === 0 ? "rotatedAway" : lines(0, 50).slice(0, left));
      reader.close();
    }
  });

  it("that took the live file leave the place of the copies", () => {
    using bench = new SinkBench({ copies: 1 });
    bench.write(lines(0, 500));
    renameSync(bench.path(), bench.path("old"));
    assert.equal(bench.sink.look(), undefined);
    bench.write(after);
    rmSync(bench.path("old"), { force: true });
    assert.equal(bench.check(), bench.bytesOnDisk);
  });

  it("that removed the directory are mended by a rotation that is the first to notice", () => {
    using bench = new SinkBench();
    bench.write(before);
    rmSync(join(bench.root, "own"), { recursive: true });
    bench.write(lines(100, 1000));
    assert.ok(bench.contents().endsWith("line 1099\n"));
    bench.check();
    bench.again();
    bench.write(lines(1100, 1000));
    bench.check();
    assert.ok(bench.bytesOnDisk <= 4 * 4096);
  });

  it("that removed the directory are mended by a lower limit, too", () => {
    using bench = new SinkBench({ limitBytes: 8192 });
    bench.write(before);
    rmSync(join(bench.root, "own"), { recursive: true });
    const target = { epoch: "00000000000000aa", logRoot: bench.root, relativeFile: "own/x.log" };
    assert.equal(bench.sink.reconfigure({ ...target, limitBytes: 4096, copies: 2 }), undefined);
    bench.write(after);
    assert.equal(bench.contents(), after);
    bench.check();
  });

  it("on the side file leave nothing to be known by position, and are no error", () => {
    using bench = new SinkBench();
    bench.write(before);
    rmSync(bench.path(".x.log.xenlogd"));
    mkdirSync(bench.path(".x.log.xenlogd"));
    const reader = new LogReader(bench.root, "own/x.log");
    const position = { epoch: "00000000000000aa", offset: 0 };
    assert.deepEqual(reader.read(position, 1), { kind: "unknownEpoch" });
    reader.close();
  });

  it("in the middle of the chain is no reason to take one byte for another", () => {
    using bench = new SinkBench();
    bench.write(lines(0, 1500));
    truncateSync(bench.path("x.log.2"), 100);
    rmSync(bench.path("x.log.1"));
    bench.check();
    bench.write(lines(1500, 20));
    bench.check();
    bench.write(lines(1520, 500));
    bench.check();
  });
});
