// SPDX-License-Identifier: Apache-2.0
// A stream's end: every byte of it has a position, also after what others do to the files.

import assert from "node:assert/strict";
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { makePipe, resizePipe } from "../../../src/kernel/index.ts";
import { Durability, LogReader, type Syncable } from "../../../src/logfile/index.ts";
import type { LogIndex } from "../../../src/logfile/log-index.ts";
import { readIndex } from "../../../src/logfile/side-file.ts";
import { LogSink } from "../../../src/pump/log-sink.ts";

const pipe = makePipe();
resizePipe(pipe.readFd, 1 << 20);

/** How far the check goes where nothing is left. */
const stride = 40;

interface Options {
  readonly limitBytes?: number;
  readonly copies?: number;
  readonly epoch?: string;
}

/** Counts how often it is told that a log has grown. */
class CountingDurability extends Durability {
  growths = 0;

  override grown(owner: object, files: () => Syncable): void {
    this.growths += 1;
    super.grown(owner, files);
  }
}

/** A log in a directory of its own, and a witness of every byte of each epoch by its offset. */
class SinkBench implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), "xenlogd-sink-"));
  readonly root = join(this.directory, "log");
  readonly interferences: string[] = [];
  readonly durability = new CountingDurability({ kind: "none" });
  readonly #witness: Map<string, Map<number, number>> = new Map();
  #options: Required<Options> = { limitBytes: 4096, copies: 3, epoch: "00000000000000aa" };
  #sink: LogSink;

  constructor(options: Options = {}) {
    mkdirSync(join(this.root, "own"), { recursive: true });
    mkdirSync(join(this.directory, "positions"));
    this.#options = { ...this.#options, ...options };
    this.#sink = this.#open();
  }

  get sink(): LogSink {
    return this.#sink;
  }

  get bytesOnDisk(): number {
    return this.names().reduce((sum, name) => sum + statSync(this.path(name)).size, 0);
  }

  path(name = "x.log"): string {
    return join(this.root, "own", name);
  }

  names(): readonly string[] {
    return readdirSync(join(this.root, "own")).filter((name) => name.startsWith("x.log"));
  }

  /** The files oldest first, as one. */
  contents(): string {
    const index = (name: string): number => Number(name.slice("x.log.".length));
    const names = [...this.names()].sort((a, b) => index(b) - index(a));
    return names.map((name) => readFileSync(this.path(name), "utf8")).join("");
  }

  write(text: string): void {
    const bytes = Buffer.from(text);
    const at = this.#sink.offset;
    writeSync(pipe.writeFd, bytes);
    const appended = this.#sink.append(pipe.readFd, bytes.length);
    assert.equal(appended.refusal, undefined);
    assert.equal(appended.movedBytes, bytes.length);
    // What others have put before it takes offsets of its own.
    const start = this.#sink.offset - bytes.length;
    assert.ok(start >= at);
    const witness = this.#witness.get(this.#options.epoch) ?? new Map<number, number>();
    this.#witness.set(this.#options.epoch, witness);
    for (const [position, byte] of bytes.entries()) witness.set(start + position, byte);
  }

  index(): LogIndex {
    const directoryFd = openSync(join(this.root, "own"), "r");
    const index = readIndex(directoryFd, "x.log");
    closeSync(directoryFd);
    assert.ok(index !== undefined);
    return index;
  }

  /** As after SIGKILL, or with another bound or epoch: nothing is closed in order. */
  again(options: Options = {}): void {
    this.#options = { ...this.#options, ...options };
    this.#sink = this.#open();
  }

  /** Every offset of every epoch is what was written there, or gone. Returns how many are there. */
  check(): number {
    const reader = new LogReader(this.root, "own/x.log");
    let present = 0;
    for (const [epoch, witness] of this.#witness) {
      const last = Math.max(...witness.keys());
      for (let offset = 0; offset <= last; ) {
        const read = reader.read({ epoch, offset }, 4096);
        if (read.kind === "bytes") {
          for (const [position, byte] of read.bytes.entries()) {
            // What is not the witness's was put there by somebody else.
            const written = witness.get(offset + position);
            if (written === undefined) continue;
            assert.equal(byte, written, `${epoch}:${offset + position}`);
            present += 1;
          }
          offset += read.bytes.length;
        } else {
          assert.equal(read.kind, "rotatedAway", `${epoch}:${offset}`);
          const isFar = reader.read({ epoch, offset: offset + stride }, 1).kind === "rotatedAway";
          offset += isFar ? stride : 1;
        }
      }
    }
    reader.close();
    const { offset } = this.#sink.report();
    assert.equal(offset, this.#sink.offset);
    return present;
  }

  [Symbol.dispose](): void {
    this.#sink.close();
    rmSync(this.directory, { recursive: true });
  }

  #open(): LogSink {
    const { epoch, limitBytes, copies } = this.#options;
    return new LogSink({
      target: { epoch, logRoot: this.root, relativeFile: "own/x.log", limitBytes, copies },
      positionsDirectory: join(this.directory, "positions"),
      durability: this.durability,
      onInterference: (kind) => this.interferences.push(kind),
    });
  }
}

function lines(from: number, count: number): string {
  return Array.from({ length: count }, (_, line) => `line ${from + line}\n`).join("");
}

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
    assert.equal(bench.sink.rebound({ ...target, limitBytes: 4096, copies: 2 }), undefined);
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
    assert.equal(bench.sink.rebound({ ...target, limitBytes: 16_384, copies: 3 }), undefined);
    bench.write(lines(2000, 6000));
    assert.equal(bench.check(), bench.bytesOnDisk);
    assert.ok(bench.bytesOnDisk > 3 * 14_000);
  });
});

describe("somebody else's hands on a live log", () => {
  const before = lines(0, 100);
  const after = lines(100, 100);
  /** What logrotate and people do, what is told of it, and what is in the files then. */
  const cases: Record<
    string,
    { readonly does: (bench: SinkBench) => void; readonly told: string; readonly left: string }
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
    },
    "removed it": { does: (bench) => rmSync(bench.path()), told: "replaced", left: after },
    "renamed it to a copy": {
      does: (bench) => renameSync(bench.path(), bench.path("x.log.1")),
      told: "replaced",
      left: before + after,
    },
    "renamed it away": {
      does: (bench) => renameSync(bench.path(), bench.path("old")),
      told: "replaced",
      left: after,
    },
    "put another file in its place": {
      does: (bench) => {
        writeFileSync(bench.path("new"), "a new one\n");
        renameSync(bench.path("new"), bench.path());
      },
      told: "replaced",
      left: `a new one\n${after}`,
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
  for (const [what, { does, told, left }] of Object.entries(cases)) {
    it(`that ${what} loses nothing that comes after`, () => {
      using bench = new SinkBench();
      bench.write(before);
      does(bench);
      assert.equal(bench.sink.look(), undefined);
      bench.write(after);
      assert.equal(bench.contents(), left);
      assert.deepEqual(bench.interferences, [told]);
      assert.equal(bench.sink.report().writtenBytes, before.length + after.length);
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
      bench.check();
    });
  }

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
    assert.equal(bench.sink.rebound({ ...target, limitBytes: 4096, copies: 2 }), undefined);
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

describe("a log that cannot be opened", () => {
  it("leaves no descriptor behind", () => {
    using bench = new SinkBench();
    const open = (): void => {
      // Its copies' names are too long for a look at them, the last thing to be done.
      const relativeFile = "y".repeat(254);
      const target = { epoch: "00000000000000cc", logRoot: bench.root, relativeFile };
      new LogSink({
        target: { ...target, limitBytes: 4096, copies: 1 },
        positionsDirectory: join(bench.directory, "positions"),
        durability: new Durability({ kind: "none" }),
        onInterference: () => {},
      });
    };
    const descriptors = readdirSync("/proc/self/fd").length;
    assert.throws(open, { code: "ENAMETOOLONG" });
    assert.equal(readdirSync("/proc/self/fd").length, descriptors);
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
