// SPDX-License-Identifier: Apache-2.0
// A stream's end: every byte of it has a position, and a line of ours stands where it is due.

import assert from "node:assert/strict";
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Durability, LogReader, OpenDirectories } from "../../../src/logfile/index.ts";
import { LogSink } from "../../../src/pump/log-sink.ts";
import { lines, SinkBench } from "../../support/sink-bench.ts";

describe("a log's positions", () => {
  it("name the same byte across rotation, and say when it is gone", () => {
    using bench = new SinkBench();
    for (let round = 0; round < 40; round += 1) bench.write(lines(round * 50, 50));
    const present = bench.check();
    assert.equal(present, bench.bytesOnDisk);
    assert.ok(present > 3 * 3500 && present < bench.sink.offset);
  });

  it("hold with no copy at all", () => {
    using bench = new SinkBench({ copies: 0 });
    for (let round = 0; round < 20; round += 1) bench.write(lines(round * 50, 50));
    assert.equal(bench.check(), bench.bytesOnDisk);
  });

  it("hold for an earlier epoch, and for one that follows an older log", () => {
    using bench = new SinkBench();
    bench.write(lines(0, 300));
    bench.again({ epoch: "00000000000000bb" });
    bench.write(lines(300, 300));
    assert.equal(bench.check(), bench.contents().length);
    assert.equal(bench.sink.report().writtenBytes, lines(300, 300).length);
  });

  it("are the same for whoever goes on after a crash, side file or not", () => {
    using bench = new SinkBench();
    bench.write(lines(0, 700));
    bench.again();
    bench.write(lines(700, 100));
    rmSync(bench.path(".x.log.xenlogd"));
    bench.again();
    bench.write(lines(800, 100));
    assert.equal(bench.check(), bench.bytesOnDisk);
  });

  it("of the copies are known while a rotation is held up and there is no live file", () => {
    using bench = new SinkBench();
    bench.write(lines(0, 400));
    const { length } = bench.contents();
    renameSync(bench.path(), bench.path("away"));
    assert.equal(bench.check(), length - statSync(bench.path("away")).size);
    renameSync(bench.path("away"), bench.path());
  });

  it("that nothing is known of any more are unknown, not wrong", () => {
    using bench = new SinkBench();
    bench.write(lines(0, 100));
    rmSync(bench.path(".x.log.xenlogd"));
    bench.again({ epoch: "00000000000000bb" });
    const reader = new LogReader(bench.root, "own/x.log");
    assert.deepEqual(reader.read({ epoch: "00000000000000aa", offset: 0 }, 1), {
      kind: "unknownEpoch",
    });
    assert.deepEqual(reader.read({ epoch: "00000000000000bb", offset: 0 }, 1), { kind: "notYet" });
    reader.close();
  });
});

describe("a bound that is changed on a live log", () => {
  it("holds at once when it is lowered, with the newest bytes", () => {
    using bench = new SinkBench({ limitBytes: 16_384, copies: 4 });
    bench.write(lines(0, 9000));
    const target = { epoch: "00000000000000aa", logRoot: bench.root, relativeFile: "own/x.log" };
    assert.equal(bench.sink.reconfigure({ ...target, limitBytes: 4096, copies: 2 }), undefined);
    assert.deepEqual([...bench.names()].sort(), ["x.log", "x.log.1", "x.log.2"]);
    for (const name of bench.names()) assert.ok(statSync(bench.path(name)).size <= 4096);
    assert.ok(readFileSync(bench.path(), "utf8").endsWith("line 8999\n"));
    bench.check();
    bench.write(lines(9000, 1000));
    bench.check();
    assert.ok(bench.bytesOnDisk <= 3 * 4096);
    bench.again({ limitBytes: 4096, copies: 2 });
    bench.check();
  });

  it("lets the log grow when it is raised", () => {
    using bench = new SinkBench({ limitBytes: 4096, copies: 1 });
    bench.write(lines(0, 2000));
    const target = { epoch: "00000000000000aa", logRoot: bench.root, relativeFile: "own/x.log" };
    assert.equal(bench.sink.reconfigure({ ...target, limitBytes: 16_384, copies: 3 }), undefined);
    bench.write(lines(2000, 6000));
    assert.equal(bench.check(), bench.bytesOnDisk);
    assert.ok(bench.bytesOnDisk > 3 * 14_000);
  });
});

describe("a log that cannot be opened", () => {
  it("leaves no descriptor behind", () => {
    using bench = new SinkBench();
    const open = (): void => {
      // Its copies' names are too long for a look at them. Of a stream that is known that comes when all is open.
      const relativeFile = "y".repeat(254);
      const target = { epoch: "00000000000000cc", logRoot: bench.root, relativeFile };
      LogSink.open({
        target: { ...target, limitBytes: 4096, copies: 1 },
        positionsDirectory: join(bench.directory, "positions"),
        durability: new Durability({ kind: "none" }),
        directories: new OpenDirectories(),
        onLive: () => {},
        onInterference: () => {},
      });
    };
    writeFileSync(join(bench.directory, "positions", "00000000000000cc"), "");
    const descriptors = readdirSync("/proc/self/fd").length;
    assert.throws(open, { code: "ENAMETOOLONG" });
    assert.equal(readdirSync("/proc/self/fd").length, descriptors);
  });
});

describe("a copy that others have replaced", () => {
  const others: readonly (readonly [string, (path: string) => void])[] = [
    ["by a hard link", (path) => linkSync(`${path}.of-somebody`, path)],
    ["by a directory", (path) => mkdirSync(path)],
  ];
  for (const [what, replace] of others) {
    it(`${what} keeps a new stream from the log, and changes nothing for the one that had it`, () => {
      using bench = new SinkBench();
      bench.write(lines(0, 400));
      const copy = bench.path("x.log.2");
      writeFileSync(`${copy}.of-somebody`, "a".repeat(10_000));
      rmSync(copy, { force: true });
      replace(copy);
      assert.throws(() => bench.again({ epoch: "00000000000000bb" }), {
        message: /^the copy x\.log\.2 (is not a regular file|has more than one hard link)$/,
      });
      bench.again({ epoch: "00000000000000aa" });
      bench.write(lines(400, 100));
      assert.ok(readFileSync(bench.path(), "utf8").endsWith("line 499\n"));
      assert.equal(statSync(`${copy}.of-somebody`).size, 10_000);
    });
  }
});

describe("another hard link to the live file", () => {
  it("that is made while a stream has the log changes nothing for it, and keeps a new stream away", () => {
    using bench = new SinkBench({ copies: 1 });
    bench.write(lines(0, 100));
    linkSync(bench.path(), bench.path("saved"));
    assert.equal(bench.sink.look(), undefined);
    bench.write(lines(100, 100));
    assert.throws(() => bench.again({ epoch: "00000000000000bb" }), {
      message: "the log x.log has more than one hard link",
    });
    bench.again({ epoch: "00000000000000aa" });
    bench.write(lines(200, 500));
    assert.equal(statSync(bench.path("saved")).ino, statSync(bench.path("x.log.1")).ino);
    assert.deepEqual(bench.interferences, []);
    bench.check();
  });

  it("has all its bytes still when the log is shortened, with and without a restart", () => {
    for (const restarts of [false, true]) {
      using bench = new SinkBench({ limitBytes: 16_384, copies: 1 });
      bench.write(lines(0, 1000));
      linkSync(bench.path(), bench.path("saved"));
      const saved = readFileSync(bench.path("saved"), "utf8");
      const target = { epoch: "00000000000000aa", logRoot: bench.root, relativeFile: "own/x.log" };
      const bound = { limitBytes: 4096, copies: 1 };
      if (restarts) bench.again(bound);
      else assert.equal(bench.sink.reconfigure({ ...target, ...bound }), undefined);
      bench.write(lines(1000, 10));
      assert.equal(readFileSync(bench.path("saved"), "utf8"), saved);
      assert.ok(statSync(bench.path()).size <= 4096);
      bench.check();
    }
  });

  it("made to another file in its place while no pump ran is not written to", () => {
    using bench = new SinkBench();
    bench.write(lines(0, 10));
    writeFileSync(bench.path("of-somebody"), "");
    rmSync(bench.path());
    linkSync(bench.path("of-somebody"), bench.path());
    assert.throws(() => bench.again(), { message: "the log x.log has more than one hard link" });
    assert.notEqual(bench.sink.look(), undefined);
    assert.equal(statSync(bench.path("of-somebody")).size, 0);
  });
});

describe("a line of ours", () => {
  it("stands in place, on lines of its own, and is told from what a guest writes", () => {
    using bench = new SinkBench();
    bench.write("a whole line\n");
    assert.equal(bench.sink.mark("[xenlogd: one]"), undefined);
    bench.write("cut");
    assert.equal(bench.sink.mark("[xenlogd: two]"), undefined);
    bench.write("line\n");
    assert.equal(bench.contents(), "a whole line\n[xenlogd: one]\ncut\n[xenlogd: two]\nline\n");
    assert.equal(bench.sink.report().writtenBytes, "a whole line\ncutline\n".length);
    assert.equal(bench.sink.report().offset, bench.contents().length);
    bench.check();
  });

  it("is growth, which an interval brings to the disk", () => {
    using bench = new SinkBench();
    assert.equal(bench.durability.growths, 0);
    assert.equal(bench.sink.mark("[xenlogd: one]"), undefined);
    assert.equal(bench.durability.growths, 1);
  });

  it("makes room for itself", () => {
    using bench = new SinkBench({ copies: 1 });
    bench.write("x".repeat(4000));
    assert.equal(bench.sink.mark("[xenlogd: full]"), undefined);
    assert.equal(readFileSync(bench.path(), "utf8"), "[xenlogd: full]\n");
    assert.equal(statSync(bench.path("x.log.1")).size, 4000);
  });
});
