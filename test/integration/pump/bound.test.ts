// SPDX-License-Identifier: Apache-2.0
// Never more than limit × (copies + 1) bytes, at any instant: a sampler watches floods and kills.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { createLogfile, introduceDomain } from "../../../src/toolstack/index.ts";
import { TestDaemon } from "../../support/daemon.ts";
import { compileC } from "../../support/programs.ts";
import { waitFor } from "../../support/wait.ts";

const limitBytes = 65_536;
const copies = 3;
const boundBytes = limitBytes * (copies + 1);
const kills = 8;

const sampler = await compileC("test/support/programs/sampler.c");
const flood = await compileC("test/support/programs/flood.c");

interface Sampled {
  readonly samples: number;
  readonly consistent: number;
  readonly largest: number;
  readonly violations: number;
}

class Sampler {
  readonly #child: ChildProcess;
  #output = "";

  constructor(path: string, directory: string, name: string) {
    this.#child = spawn(path, [directory, name, String(boundBytes)], {
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

describe("a log's size on disk", () => {
  it("is never above its bound, flooded and killed", async (t) => {
    if (!sampler.found) return t.skip(sampler.reason);
    if (!flood.found) return t.skip(flood.reason);
    await using daemon = await TestDaemon.start();
    const xenstore = await daemon.xenstore();
    const handle = await createLogfile({
      xenstore,
      domid: await introduceDomain(xenstore, "flooder"),
      file: daemon.logPath("flooder-console.log"),
      limitBytes,
      copies,
      fifoDirectory: daemon.fifoDirectory,
    });
    const watch = new Sampler(sampler.path, daemon.logPath("."), "flooder-console.log");
    // Slow enough for the sampler to find two looks alike between two rotations.
    const writer = spawn(flood.path, ["-r", "20", "-b", "3000", handle.pipe, "0"], {
      stdio: "ignore",
    });
    const rotations = async (): Promise<number> =>
      (await daemon.control.streams({ all: false }))[0]?.rotations ?? 0;
    for (let round = 0; round < kills; round += 1) {
      const before = await rotations();
      await waitFor("rotations", async () => (await rotations()) > before + 20);
      const main = round % 2 === 0 ? [] : [daemon.mainPid];
      await daemon.kill(daemon.pumpPid, ...main);
      if (main.length > 0) await daemon.start();
    }
    writer.kill("SIGTERM");
    await once(writer, "exit");
    const sampled = await watch.stop();
    t.diagnostic(JSON.stringify(sampled));
    assert.equal(sampled.violations, 0);
    assert.ok(sampled.largest <= boundBytes);
    assert.ok(sampled.largest > boundBytes - limitBytes, "it was watched while it was full");
    assert.ok(sampled.consistent > 1000, `${sampled.consistent} looks`);
    await handle.close();
  });

  it("above its bound is seen by the same sampler", async (t) => {
    if (!sampler.found) return t.skip(sampler.reason);
    const directory = mkdtempSync(join(tmpdir(), "xenlogd-wrong-"));
    t.after(() => rmSync(directory, { recursive: true }));
    const watch = new Sampler(sampler.path, directory, "x.log");
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
