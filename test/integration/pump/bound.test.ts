// SPDX-License-Identifier: Apache-2.0
// Never more than limit × (copies + 1) bytes, at any instant: a sampler watches floods, kills, limits
// that are lowered and raised, and a clock that jumps. XENLOGD_TORTURE_LOOKS is how often it looks.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { chainOf } from "../../support/chain.ts";
import { isRunning, TestDaemon } from "../../support/daemon.ts";
import { Flooded, noFlood } from "../../support/flooded.ts";
import { compileC } from "../../support/programs.ts";
import { waitFor } from "../../support/wait.ts";

const looks = Number(process.env["XENLOGD_TORTURE_LOOKS"] ?? 20_000);
const limits = [65_536, 20_000, 49_152, 8192] as const;
const copies = 3;

const sampler = await compileC("test/support/programs/sampler.c");
const clockStep = await compileC("test/support/programs/clock-step.c", "shared");
const noSampler = sampler.found ? false : sampler.reason;

interface Sampled {
  readonly samples: number;
  readonly consistent: number;
  readonly largest: number;
  readonly violations: number;
}

class Sampler {
  readonly #child: ChildProcess;
  #output = "";

  constructor(directory: string, name: string, boundBytes: number) {
    assert.ok(sampler.found);
    this.#child = spawn(sampler.path, [directory, name, String(boundBytes)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#output += text;
    });
  }

  async stop(): Promise<Sampled> {
    this.#child.kill("SIGTERM");
    await once(this.#child, "close");
    return JSON.parse(this.#output) as Sampled;
  }
}

/** The clock of all programs that are started from now on; a step in seconds. */
function steppedClock(): (seconds: number) => void {
  assert.ok(clockStep.found);
  const directory = mkdtempSync(join(tmpdir(), "xenlogd-clock-"));
  process.once("exit", () => rmSync(directory, { recursive: true }));
  const path = join(directory, "step");
  writeFileSync(path, Buffer.alloc(8));
  process.env["CLOCK_STEP_FILE"] = path;
  process.env["LD_PRELOAD"] = clockStep.path;
  return (seconds) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(seconds));
    const fd = openSync(path, "r+");
    writeSync(fd, bytes);
    closeSync(fd);
  };
}

const steps = [-86_400 * 400, 0, 3600, -1, 86_400 * 4000];

describe("a log's size on disk", () => {
  const skip = noSampler || noFlood || (clockStep.found ? false : clockStep.reason);

  // contract: C101
  it("is never above its bound, flooded, killed, reconfigured, with a wrong clock", {
    skip,
  }, async (t) => {
    const setClock = steppedClock();
    await using daemon = await TestDaemon.start();
    // Slow enough for the sampler to find two looks alike between two rotations.
    await using flooded = await Flooded.start(daemon, {
      name: "flooder",
      limitBytes: limits[0],
      copies,
      megabytesPerSecond: 20,
    });
    const xenstore = await daemon.xenstore();
    const [stream] = await daemon.control.streams({ all: false });
    const node = `/libxl/${stream?.domid}/logging/${stream?.id}/limit`;
    const rotations = async (): Promise<number> =>
      (await daemon.control.streams({ all: false }))[0]?.rotations ?? 0;
    const sampled: Sampled[] = [];
    let kills = 0;
    let changes = 0;
    for (let round = 0; sum(sampled) < looks || round < limits.length; round += 1) {
      const limitBytes = limits[round % limits.length] ?? limits[0];
      const before = limits[(round + limits.length - 1) % limits.length] ?? limits[0];
      // While it is changed the larger one of the two holds, and then the new one.
      const larger = Math.max(limitBytes, before) * (copies + 1);
      const change = new Sampler(daemon.logPath("."), "flooder.log", larger);
      if (round > 0) {
        await xenstore.write(node, String(limitBytes));
        changes += 1;
        await waitFor("the new limit", () => isWithin(flooded.file, limitBytes));
      }
      const steady = new Sampler(daemon.logPath("."), "flooder.log", limitBytes * (copies + 1));
      setClock(steps[round % steps.length] ?? 0);
      const rotated = await rotations();
      await waitFor("rotations", async () => (await rotations()) > rotated + 20);
      await daemon.kill(daemon.pumpPid, ...(round % 2 === 0 ? [] : [daemon.mainPid]));
      kills += 1;
      if (!isRunning(daemon.mainPid)) await daemon.start();
      await waitFor("rotations", async () => (await rotations()) > rotated + 40);
      const both = [await change.stop(), await steady.stop()];
      for (const one of both) assert.equal(one.violations, 0, JSON.stringify(one));
      sampled.push(...both);
    }
    const { sent } = await flooded.check("at the end");
    const largest = Math.max(...sampled.map((one) => one.largest));
    t.diagnostic(
      `${sum(sampled)} consistent looks, ${kills} kills, ${changes} limits, ` +
        `largest ${largest} of ${limits[0] * (copies + 1)}, ${(sent / 1e6).toFixed(0)} MB`,
    );
    assert.ok(largest > limits[0] * copies, "it was watched while it was full");
    assert.ok(sum(sampled) >= looks);
  });

  it("above its bound is seen by the same sampler", { skip: noSampler }, async (t) => {
    const limitBytes = limits[0];
    const directory = mkdtempSync(join(tmpdir(), "xenlogd-wrong-"));
    t.after(() => rmSync(directory, { recursive: true }));
    const watch = new Sampler(directory, "x.log", limitBytes * (copies + 1));
    // Writes first and rotates then, as a daemon must not: too large by one write, for a moment.
    for (let rotation = 0; rotation < 2000; rotation += 1) {
      const fd = openSync(join(directory, "x.log"), "w");
      writeSync(fd, Buffer.alloc(limitBytes));
      writeSync(fd, Buffer.alloc(1000));
      closeSync(fd);
      for (let index = copies; index > 0; index -= 1) {
        const from = index === 1 ? "x.log" : `x.log.${index - 1}`;
        try {
          renameSync(join(directory, from), join(directory, `x.log.${index}`));
        } catch {
          // The chain is not that long yet.
        }
      }
      if (rotation % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const sampled = await watch.stop();
    assert.ok(sampled.violations > 0, JSON.stringify(sampled));
  });
});

function sum(sampled: readonly Sampled[]): number {
  return sampled.reduce((total, { consistent }) => total + consistent, 0);
}

/** Once the limit is used: all files were brought under it, and none is larger from then on. */
function isWithin(file: string, limitBytes: number): boolean {
  try {
    return chainOf(file).every((path) => statSync(path).size <= limitBytes);
  } catch {
    return false;
  }
}
