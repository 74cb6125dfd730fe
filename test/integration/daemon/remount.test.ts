// SPDX-License-Identifier: Apache-2.0
// A log disk that is mounted again has another device number, or another disk has its number: what is
// left in stages goes to the disk that it belongs to.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
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
