// SPDX-License-Identifier: Apache-2.0
// Logs on a FUSE file system whose server is killed and started again on the same directory.

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { describe, it } from "node:test";
import { chainSizes } from "../../support/chain.ts";
import { debianProgram } from "../../support/debian.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench, noFlood, noMount, wakeUps } from "./fixture.ts";

const bindfs = await debianProgram("bindfs");
const skip = noMount || noFlood || (bindfs.found ? false : bindfs.reason);

/** Shows the files of a directory of its own at the mount point. */
class FuseMount {
  readonly point: string;
  readonly #files: string = mkdtempSync(join(tmpdir(), "xenlogd-fuse-"));
  #server: ChildProcess | undefined;

  constructor(bench: Bench, point: string) {
    this.point = point;
    mkdirSync(point, { recursive: true });
    bench.defer(() => {
      this.#server?.kill("SIGKILL");
      if (this.#isMounted()) execFileSync("umount", ["-l", point]);
      rmSync(this.#files, { recursive: true });
    });
  }

  async start(): Promise<void> {
    assert.ok(bindfs.found);
    // Without the daemon's directory on its command line, whose processes must have ended.
    const args = [...bindfs.args, "-f", this.#files, basename(this.point)];
    const { env } = bindfs;
    this.#server = spawn(bindfs.path, args, { cwd: dirname(this.point), env, stdio: "inherit" });
    await waitFor("the mount", () => this.#isMounted());
  }

  async kill(): Promise<void> {
    const server = this.#server;
    assert.ok(server !== undefined);
    server.kill("SIGKILL");
    await once(server, "exit");
  }

  unmount(): void {
    execFileSync("umount", ["-l", this.point]);
  }

  #isMounted(): boolean {
    return readFileSync("/proc/self/mountinfo", "utf8").includes(` ${this.point} `);
  }
}

describe("a FUSE server that is killed and started again", { skip }, () => {
  it("stalls its log meanwhile, which goes on where it ended", async () => {
    await using bench = Bench.prepare();
    const { daemon } = bench;
    const fuse = new FuseMount(bench, daemon.logPath("fuse"));
    await fuse.start();
    await daemon.start();
    const handle = await bench.stream("guest", { file: daemon.logPath("fuse/guest.log") });
    const writer = bench.writer(handle);
    writeSync(writer, "before\n");
    await waitFor("a line", () => readFileSync(handle.file, "utf8") === "before\n");
    await fuse.kill();
    writeSync(writer, "meanwhile\n");
    await waitFor("a stall", () => bench.count("StreamStalled") === 1);
    fuse.unmount();
    const before = wakeUps(daemon.pumpPid);
    await waitFor("more tries", () => wakeUps(daemon.pumpPid) >= before + 3);
    assert.deepEqual(readdirSync(fuse.point), [], "the place of the mount gets nothing");
    await fuse.start();
    const text = "before\nmeanwhile\n";
    await waitFor("all lines", () => readFileSync(handle.file, "utf8") === text);
    const [stream] = await daemon.control.streams({ all: false });
    assert.equal(stream?.offset, text.length);
    assert.equal(stream.writtenBytes, text.length);
    assert.equal(bench.count("LogInterfered") + bench.count("PumpEnded"), 0);
    assert.equal(bench.count("StreamResumed"), 1);
  });

  it("costs a flood no byte and doubles none", async () => {
    await using bench = Bench.prepare();
    const { daemon } = bench;
    const fuse = new FuseMount(bench, daemon.logPath("fuse"));
    await fuse.start();
    await daemon.start();
    const flood = await bench.flood("flood", daemon.logPath("fuse/flood.log"));
    // Events are not repeated so soon.
    const isStalled = async (): Promise<boolean> => {
      const [stream] = await daemon.control.streams({ all: false });
      return typeof stream?.stalled === "object" && stream.stalled !== null;
    };
    for (let kills = 1; kills <= 4; kills += 1) {
      const size = sizeOf(flood.file);
      await waitFor("more of it", () => sizeOf(flood.file) > size + (2 << 20));
      await fuse.kill();
      await waitFor("a stall", isStalled);
      fuse.unmount();
      await fuse.start();
      await waitFor("the log to go on", async () => !(await isStalled()));
    }
    await bench.assertWhole(flood, await flood.stop());
    assert.equal(bench.count("PumpEnded"), 0);
  });
});

function sizeOf(file: string): number {
  return chainSizes(file).reduce((sum, size) => sum + size, 0);
}
