// SPDX-License-Identifier: Apache-2.0
// What a toolstack is told when the daemon is absent, stands still or cannot log, on a host with
// Debian's xenstored; and what GNU tail shows of a log that rotates.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { constants, mkdirSync, openSync, readdirSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { createLogfile, introduceDomain } from "../../src/toolstack/index.ts";
import { connectXenstore, type XenstoreClient } from "../../src/xenstore/index.ts";
import { type XenlogResult, xenlog } from "../support/cli.ts";
import { TestDaemon } from "../support/daemon.ts";
import { waitFor } from "../support/wait.ts";
import { startXenstored, xenstoredParts } from "../support/xenstored.ts";

const parts = await xenstoredParts();

interface Host {
  readonly daemon: TestDaemon;
  readonly xenstore: XenstoreClient;
  readonly create: (...args: string[]) => Promise<XenlogResult>;
}

async function withHost(body: (host: Host) => Promise<void>): Promise<void> {
  if (!parts.found) throw new Error(parts.reason);
  const dir = await mkdtemp(join(tmpdir(), "xs-"));
  try {
    await using xenstored = await startXenstored({ kind: "c", dir, parts });
    await using daemon = TestDaemon.onHost(xenstored.socketPath);
    await using xenstore = await connectXenstore({ socketPath: xenstored.socketPath });
    const env = Object.fromEntries(
      ["XENSTORED_PATH", "XEN_RUN_DIR", "XEN_LOG_DIR"].map((name) => [
        name,
        daemon.environment[name] ?? "",
      ]),
    );
    const create = (...args: string[]): Promise<XenlogResult> =>
      xenlog(["create", "--global", ...args], { env });
    await body({ daemon, xenstore, create });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Neither nodes nor FIFO. */
async function assertNothingLeft({ daemon, xenstore }: Host): Promise<void> {
  assert.deepEqual((await xenstore.directoryIfExists("/libxl")) ?? [], []);
  const fifos = await Promise.resolve()
    .then(() => readdirSync(daemon.fifoDirectory))
    .catch(() => []);
  assert.deepEqual(fifos, []);
}

describe("xenlog create on a host", { skip: parts.found ? false : parts.reason }, () => {
  it("without a daemon names the service and leaves nothing", () =>
    withHost(async (host) => {
      const result = await host.create();
      assert.equal(result.code, 3);
      assert.match(
        result.stderr,
        /^xenlog: xenstored answers at .* and no xenlogd at .*: start the service xenlogd/,
      );
      await assertNothingLeft(host);
    }));

  it("with a daemon that stands still gives up in time and leaves nothing", () =>
    withHost(async (host) => {
      await host.daemon.start();
      process.kill(host.daemon.mainPid, "SIGSTOP");
      try {
        const started = performance.now();
        const result = await host.create("--timeout", "500ms");
        assert.equal(result.code, 5);
        assert.match(result.stderr, /^xenlog: xenlogd at .*control\.sock does not answer\n$/);
        assert.ok(performance.now() - started < 8000);
        // A toolstack that asks through xenstore alone has its own patience.
        await assert.rejects(
          createLogfile({
            xenstore: host.xenstore,
            domid: 5,
            file: host.daemon.logPath("x.log"),
            fifoDirectory: host.daemon.fifoDirectory,
            limitBytes: 4096,
            copies: 0,
            timeoutMs: 300,
          }),
          { code: "timeout" },
        );
        await assertNothingLeft(host);
      } finally {
        process.kill(host.daemon.mainPid, "SIGCONT");
      }
    }));

  it("without an xenstored finds a daemon that waits for one, and that ends when it is told", async () => {
    await using daemon = TestDaemon.onHost("/nonexistent/xenstored/socket");
    await daemon.start();
    assert.equal((await daemon.control.status()).xenstore, "lost");
    assert.equal(await daemon.stop(), 0);
  });

  it("on a file system without room for a file is refused at once and leaves nothing", () =>
    withHost(async (host) => {
      const full = host.daemon.logPath("full");
      mkdirSync(full, { recursive: true });
      // One inode for the directory itself.
      execFileSync("mount", ["-t", "tmpfs", "-o", "nr_inodes=1", "none", full]);
      try {
        await host.daemon.start();
        const file = join(full, "vm.log");
        const result = await host.create("--file", file);
        assert.equal(result.code, 4, result.stderr);
        assert.equal(
          result.stderr,
          "xenlog: the log vm.log cannot be opened: no space left on the file system\n",
        );
        await waitFor("nothing left", () =>
          assertNothingLeft(host).then(
            () => true,
            () => false,
          ),
        );
      } finally {
        await host.daemon.stop();
        execFileSync("umount", [full]);
      }
    }));
});

describe("tail --follow=name", () => {
  const limitBytes = 4096;
  const aheadBytesMax = limitBytes / 2;

  it("shows every byte of a log that rotates under it", async () => {
    await using daemon = await TestDaemon.start();
    const xenstore = await daemon.xenstore();
    const file = daemon.logPath("vm-console.log");
    const handle = await createLogfile({
      xenstore,
      domid: await introduceDomain(xenstore, "vm"),
      file,
      limitBytes,
      copies: 100,
      fifoDirectory: daemon.fifoDirectory,
    });
    using cleanup = new DisposableStack();
    const tail = spawn("tail", ["--follow=name", "--retry", "-c", "+1", file], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    cleanup.defer(() => tail.kill());
    let seen = "";
    tail.stdout.setEncoding("latin1").on("data", (text: string) => {
      seen += text;
    });
    const writer = openSync(handle.pipe, constants.O_RDWR);
    let sent = "";
    for (let line = 1; line <= 1500; line += 1) {
      const text = `line ${line} ${"x".repeat(60)}\n`;
      writeSync(writer, text);
      sent += text;
      // A guest that talks. Who floods rotates a whole file past a tail(1) that is not running just
      // then, and that opens names, not files.
      if (line % 10 === 0) {
        await waitFor("half a file at most", () => seen.length >= sent.length - aheadBytesMax);
      }
    }
    await waitFor("all of it", () => seen.length >= sent.length);
    assert.equal(seen, sent);
    const [stream] = await daemon.control.streams({ all: false });
    assert.ok((stream?.rotations ?? 0) > 20, `${stream?.rotations} rotations`);
  });
});
