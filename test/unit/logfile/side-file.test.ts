// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  closeSync,
  existsSync,
  linkSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import {
  addEpoch,
  addRange,
  addTime,
  emptyIndex,
  type LogIndex,
  placeFiles,
  placeInLog,
  placeLive,
  rotateFiles,
} from "../../../src/logfile/index/log-index.ts";
import {
  decodeSlot,
  encodeSlot,
  readIndex,
  SideFile,
} from "../../../src/logfile/index/side-file.ts";

const directory = mkdtempSync(join(tmpdir(), "xenlogd-side-"));
const directoryFd = openSync(directory, "r");
after(() => {
  closeSync(directoryFd);
  rmSync(directory, { recursive: true });
});

const epochs = [
  { epoch: "00000000000000aa", start: 100 },
  { epoch: "00000000000000bb", start: 700 },
];
const index: LogIndex = {
  epochs,
  files: [
    { inode: 9, bornMs: 1_795_413_881_182.5405, base: 4096, sizeBytes: 0 },
    { inode: 8, bornMs: 1_795_413_881_181.25, base: 0, sizeBytes: 4096 },
  ],
  ranges: [{ start: 650, bytes: 50, kind: "marker" }],
  times: [{ offset: 100, atMs: 1_795_413_881_182 }],
  ends: [{ copy: 1, end: 4096 }],
};

/** As much of everything as can be, in numbers as long as they get. */
function fullIndex(): LogIndex {
  let full = emptyIndex;
  const large = Number.MAX_SAFE_INTEGER;
  for (let count = 0; count < 500; count += 1) {
    full = addEpoch(full, { epoch: "0123456789abcdef", start: large - count });
    full = addRange(full, { start: large - 2 * count, bytes: 999_999, kind: "foreign" });
    full = addTime(full, { offset: large - count, atMs: 1_795_413_881_182 + count });
    const live = { inode: large, bornMs: 1_795_413_881_182.5405, base: large, sizeBytes: large };
    full = { ...full, files: rotateFiles(full.files, live, 1000) };
  }
  return full;
}

describe("a side file", () => {
  it("gives back what was written last", () => {
    const { file, index: none } = SideFile.open({ fd: directoryFd, name: "x.log" });
    assert.deepEqual(none, emptyIndex);
    file.write(emptyIndex);
    file.write(index);
    assert.deepEqual(readIndex(directoryFd, "x.log"), index);
    assert.deepEqual(SideFile.open({ fd: directoryFd, name: "x.log" }).index, index);
  });

  it("with another hard link is replaced by a new one, and the other stays as it is", () => {
    const [path, saved] = [".linked.log.xenlogd", "saved"].map((name) => join(directory, name));
    assert.ok(path !== undefined && saved !== undefined);
    const { file } = SideFile.open({ fd: directoryFd, name: "linked.log" });
    file.write(emptyIndex);
    linkSync(path, saved);
    writeFileSync(`${path}.new`, "of a pump that was killed");
    const before = readFileSync(saved);
    SideFile.open({ fd: directoryFd, name: "linked.log" }).file.write(index);
    assert.deepEqual(readIndex(directoryFd, "linked.log"), index);
    assert.deepEqual(readFileSync(saved), before);
    assert.ok(!existsSync(`${path}.new`));
    assert.equal(statSync(path).nlink, 1);
  });

  it("never has more than 16 KiB, and forgets the oldest", () => {
    const { file } = SideFile.open({ fd: directoryFd, name: "full.log" });
    for (let count = 0; count < 5; count += 1) file.write(fullIndex());
    assert.equal(statSync(join(directory, ".full.log.xenlogd")).size, 16_384);
    const read = readIndex(directoryFd, "full.log");
    const full = fullIndex();
    assert.deepEqual(read?.epochs.at(-1), full.epochs.at(-1));
    assert.deepEqual(read?.ranges.at(-1), full.ranges.at(-1));
    assert.deepEqual(read?.times.at(-1), full.times.at(-1));
    assert.deepEqual(read?.files[0], full.files[0]);
    assert.ok((read?.files.length ?? 0) >= 8);
  });

  it("with one slot cut anywhere or changed has the other one", () => {
    const { file } = SideFile.open({ fd: directoryFd, name: "cut.log" });
    file.write(emptyIndex);
    file.write(index);
    const path = join(directory, ".cut.log.xenlogd");
    const whole = readFileSync(path);
    const newest = whole.subarray(0, 8192).includes("00000000000000bb") ? 0 : 8192;
    for (let at = 0; at < encodeSlot({ sequence: 2, index }).indexOf("\n\n"); at += 1) {
      const torn = Buffer.from(whole);
      torn.fill(0, newest + at, newest + 8192);
      writeFileSync(path, torn);
      assert.deepEqual(readIndex(directoryFd, "cut.log"), emptyIndex, `cut at ${at}`);
      const flipped = Buffer.from(whole);
      flipped[newest + at] = (flipped[newest + at] ?? 0) ^ 1;
      writeFileSync(path, flipped);
      const read = readIndex(directoryFd, "cut.log");
      // A number in the header may change into another one: the text is what the checksum is about.
      if (at > 40) assert.deepEqual(read, emptyIndex, `changed at ${at}`);
    }
    writeFileSync(path, whole.subarray(0, 100));
    assert.equal(readIndex(directoryFd, "cut.log"), undefined);
  });

  it("of another version is as good as none", () => {
    const slot = encodeSlot({ sequence: 1, index }).toString();
    assert.ok(decodeSlot(Buffer.from(slot)));
    assert.equal(decodeSlot(Buffer.from(slot.replace("index 1 ", "index 2 "))), undefined);
  });
});

describe("the index of a log", () => {
  it("finds an epoch's offset until the next epoch begins", () => {
    assert.deepEqual(placeInLog(index, "00000000000000aa", 599), {
      kind: "at",
      offset: 699,
      end: 700,
    });
    assert.deepEqual(placeInLog(index, "00000000000000aa", 600), { kind: "beyondEpoch" });
    assert.equal(placeInLog(index, "00000000000000bb", 10_000).kind, "at");
    assert.deepEqual(placeInLog(index, "00000000000000cc", 0), { kind: "unknownEpoch" });
  });

  const bornMs = 5;
  const file = (inode: number, sizeBytes: number) => ({ inode, bornMs, sizeBytes });
  const known: LogIndex = {
    ...emptyIndex,
    files: [
      { ...file(3, 10), base: 3000 },
      { ...file(2, 1000), base: 2000 },
      { ...file(1, 1000), base: 900 },
    ],
  };

  it("places files by what it knows, and in a row when it knows nothing yet", () => {
    const bases = ([live, ...copies]: readonly ReturnType<typeof file>[], liveBase: number) => {
      assert.ok(live);
      const named = copies.map((copy, position) => ({ ...copy, index: position + 1 }));
      return placeFiles(live, named, liveBase, places).map(({ base }) => base);
    };
    let places: LogIndex = emptyIndex;
    assert.deepEqual(bases([file(5, 0), file(3, 200), file(9, 100)], 3200), [3200, 3000, 2900]);
    places = known;
    assert.deepEqual(bases([file(3, 50), file(2, 1000), file(1, 1000)], 3000), [3000, 2000, 900]);
    // Not one of ours: somebody put it there.
    assert.deepEqual(bases([file(5, 0), file(3, 200), file(9, 100)], 3200), [3200, 3000]);
    // Cut short by somebody: it begins where it did.
    assert.deepEqual(bases([file(3, 50), file(2, 400)], 3000), [3000, 2000]);
  });

  it("lags behind the files and places the live one all the same", () => {
    assert.equal(placeLive([file(3, 50), file(2, 1000)], known), 3000);
    assert.equal(placeLive([file(7, 20), file(6, 300), file(3, 500), file(2, 1000)], known), 3800);
    // Cut short, and gone with its ten bytes.
    assert.equal(placeLive([file(3, 5), file(2, 1000)], known), 3010);
    assert.equal(placeLive([file(7, 0), file(2, 1000)], known), 3010);
    const ranges = [{ start: 3010, bytes: 40, kind: "marker" as const }];
    assert.equal(placeLive([file(7, 0), file(2, 1000)], { ...known, ranges }), 3050);
    assert.equal(placeLive([file(7, 20), file(6, 300)], known), undefined);
  });

  it("keeps times sparser with age, the newest all", () => {
    let timed = emptyIndex;
    for (let second = 0; second < 10_000; second += 1) {
      timed = addTime(timed, { offset: second, atMs: second * 1000 });
    }
    assert.ok(timed.times.length <= 96);
    assert.equal(timed.times[0]?.offset, 0);
    const newest = timed.times.slice(-20).map(({ offset }) => offset);
    assert.deepEqual(
      newest,
      Array.from({ length: 20 }, (_, position) => 9980 + position),
    );
  });
});
