// SPDX-License-Identifier: Apache-2.0
// A log disk that is mounted again has another device number, or another disk has its number: what is
// left in stages goes to the disk that it belongs to.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
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
import { readOrEmpty } from "../../support/cli.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench, fillUp, noMount } from "./fixture.ts";

const words = "a line that the full disk refuses\n".repeat(1200);
const fillerName = ".filler";

/** An ext4 file system in a file, on a loop device. */
class LoopDisk {
  readonly #directory: string = mkdtempSync(join(tmpdir(), "xenlogd-disk-"));
  readonly #image: string = join(this.#directory, "image");
  readonly #path: string;
  #loop: string | undefined;

  constructor(bench: Bench, path: string) {
    this.#path = path;
    bench.defer(() => {
      if (this.#loop !== undefined) execFileSync("umount", ["-l", this.#path]);
      this.#detach();
      rmSync(this.#directory, { recursive: true });
    });
    mkdirSync(path, { recursive: true });
    writeFileSync(this.#image, "");
    truncateSync(this.#image, 4 << 20);
    execFileSync("mkfs.ext4", ["-q", "-b", "1024", "-m", "0", this.#image]);
  }

  /** On this loop device, or on a free one; returns which. */
  mount(loop?: string): string {
    const args = loop === undefined ? ["-f", "--show", this.#image] : [loop, this.#image];
    const found = execFileSync("losetup", args, { encoding: "utf8" }).trim();
    this.#loop = loop ?? found;
    execFileSync("mount", [this.#loop, this.#path]);
    return this.#loop;
  }

  /** Waits for the last thread of a killed process: until then the file system is busy. */
  async unmount(): Promise<void> {
    await waitFor("umount", () => spawnSync("umount", [this.#path]).status === 0);
    this.#detach();
  }

  #detach(): void {
    if (this.#loop !== undefined) execFileSync("losetup", ["-d", this.#loop]);
    this.#loop = undefined;
  }

  fill(): void {
    fillUp(join(this.#path, fillerName));
  }

  free(): void {
    rmSync(join(this.#path, fillerName));
  }

  get device(): number {
    return statSync(this.#path).dev;
  }
}

/** A stream on the disk that is full: its bytes are in a stage and in its FIFO. */
async function strand(bench: Bench, disk: LoopDisk, name: string, file: string): Promise<string> {
  const handle = await bench.stream(name, { file });
  disk.fill();
  writeSync(bench.writer(handle), words);
  await waitFor("a stall", () => bench.daemon.events.some(({ msg }) => msg === "StreamStalled"));
  return handle.file;
}

async function end(bench: Bench, how: "stop" | "kill"): Promise<void> {
  const { daemon } = bench;
  if (how === "stop") await daemon.stop();
  else {
    await daemon.kill(daemon.mainPid, daemon.pumpPid);
    await daemon.forgetXenstore();
  }
}

/** A stream in a directory of the disk, and its daemon ended. */
async function strandBelow(bench: Bench, disk: LoopDisk): Promise<[string, string, number]> {
  const { daemon } = bench;
  const below = daemon.logPath("disk/below");
  mkdirSync(below);
  await daemon.start();
  const handle = await bench.stream("held", { file: join(below, "held.log") });
  disk.fill();
  const writer = bench.writer(handle);
  writeSync(writer, words);
  await waitFor("a stall", () => bench.count("StreamStalled") === 1);
  writeSync(writer, "in the FIFO\n");
  await end(bench, "kill");
  return [below, handle.file, writer];
}

describe("a log directory that is missing when the daemon starts", { skip: noMount }, () => {
  it("gets what was in a stage when it is there again", async () => {
    await using bench = Bench.prepare();
    const { daemon } = bench;
    const disk = new LoopDisk(bench, daemon.logPath("disk"));
    disk.mount();
    const [below, file] = await strandBelow(bench, disk);
    disk.free();
    renameSync(below, `${below}.away`);
    await daemon.start();
    await waitFor("a refusal", () => bench.count("StreamRefused") > 0);
    renameSync(`${below}.away`, below);
    await waitFor("all", () => readFileSync(file, "utf8") === `${words}in the FIFO\n`);
  });

  it("does not get what belongs to the disk that had its device number before", async () => {
    await using bench = Bench.prepare();
    const { daemon } = bench;
    const disk = new LoopDisk(bench, daemon.logPath("disk"));
    const other = new LoopDisk(bench, daemon.logPath("disk"));
    const loop = disk.mount();
    const before = disk.device;
    const [below, file, writer] = await strandBelow(bench, disk);
    await disk.unmount();
    other.mount(loop);
    assert.equal(other.device, before);
    await daemon.start();
    await waitFor("a refusal", () => bench.count("StreamRefused") > 0);
    mkdirSync(below);
    writeSync(writer, "later\n");
    const waiting = "in the FIFO\nlater\n";
    await waitFor("what was in the FIFO", () => readOrEmpty(file) === waiting);
    await daemon.stop();
    assert.equal(readFileSync(file, "utf8"), waiting);
    await other.unmount();
    disk.mount(loop);
    disk.free();
    await daemon.start();
    await waitFor("all words", () => readFileSync(file, "utf8") === words);
    assert.equal(bench.count("StageLost") + bench.count("StageOrphaned"), 0);
  });
});

describe("a log disk that is mounted again", { skip: noMount }, () => {
  for (const how of ["stop", "kill"] as const) {
    it(`under another device number gets what was in a stage, after a ${how}`, async () => {
      await using bench = Bench.prepare();
      const { daemon } = bench;
      const disk = new LoopDisk(bench, join(daemon.directory, "log"));
      const other = new LoopDisk(bench, join(daemon.directory, "other"));
      const loop = disk.mount();
      const before = disk.device;
      await daemon.start();
      const file = await strand(bench, disk, "held", daemon.logPath("held.log"));
      await end(bench, how);
      await disk.unmount();
      other.mount(loop);
      disk.mount();
      assert.notEqual(disk.device, before);
      disk.free();
      await daemon.start();
      await waitFor("all words", () => readFileSync(file, "utf8") === words);
      assert.equal(bench.count("StageLost") + bench.count("StageOrphaned"), 0);
    });
  }

  it("under the number of another one, which has its own, gets its own bytes", async () => {
    await using bench = Bench.prepare();
    const { daemon } = bench;
    const one = new LoopDisk(bench, join(daemon.directory, "log/one"));
    const two = new LoopDisk(bench, join(daemon.directory, "log/two"));
    const loops = [one.mount(), two.mount()] as const;
    await daemon.start();
    const files = [
      await strand(bench, one, "first", daemon.logPath("one/first.log")),
      await strand(bench, two, "second", daemon.logPath("two/second.log")),
    ];
    await waitFor("both stalls", () => bench.count("StreamStalled") === 2);
    await daemon.stop();
    await one.unmount();
    await two.unmount();
    one.mount(loops[1]);
    two.mount(loops[0]);
    one.free();
    two.free();
    await daemon.start();
    await waitFor("both streams", () => bench.count("StreamOpened") === 4);
    for (const file of files) {
      await waitFor(file, () => readFileSync(file, "utf8") === words);
    }
  });
});
