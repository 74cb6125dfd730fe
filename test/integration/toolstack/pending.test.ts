// SPDX-License-Identifier: Apache-2.0
// Writers that do not wait for the daemon, and descriptors on the FIFO.

import assert from "node:assert/strict";
import { closeSync, readFileSync, statSync, writeSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { libxlRoot } from "../../../src/contract/index.ts";
import {
  createFifo,
  createLogfile,
  openFifo,
  type ToolstackError,
} from "../../../src/toolstack/index.ts";
import { servers, startStandIn, startTestStore, tree } from "./store.ts";

for (const { kind, skip } of servers) {
  describe(`without waiting on ${kind}`, { skip }, () => {
    // contract: C38
    it("a writer starts at once, and close waits for the daemon to meet the request", async () => {
      await using store = await startTestStore(kind);
      const handle = await createLogfile(store.options({ wait: false }));
      assert.equal(handle.state, "pending");
      const fd = handle.open();
      writeSync(fd, "before anybody reads\n");
      const closing = handle.close();
      assert.equal(await store.client.exists("/libxl/5/logging/1"), true);
      await using _daemon = await startStandIn(store.client);
      await closing;
      assert.deepEqual(await tree(store.client, libxlRoot), {});
      assert.equal((await store.fifos()).length, 1, "the daemon's to read and to delete");
      closeSync(fd);
    });

    // contract: C81
    it("close counts what nobody will read, and leaves nothing", async () => {
      await using store = await startTestStore(kind);
      const handle = await createLogfile(store.options({ wait: false }));
      const fd = handle.open();
      writeSync(fd, "lost");
      await assert.rejects(handle.close({ timeoutMs: 20 }), {
        code: "timeout",
        message:
          "closing /libxl/5/logging/1 got no answer within 20 ms; is xenlogd running?; 4 bytes in its FIFO were lost",
      });
      closeSync(fd);
      assert.deepEqual(await tree(store.client, libxlRoot), {});
      assert.deepEqual(await store.fifos(), []);
    });

    it("close of an unanswered request without bytes is no failure", async () => {
      await using store = await startTestStore(kind);
      const handle = await createLogfile(store.options({ wait: false }));
      await handle.close({ signal: AbortSignal.abort() });
      assert.deepEqual(await tree(store.client, libxlRoot), {});
      assert.deepEqual(await store.fifos(), []);
    });

    it("close tells of a refusal that nobody waited for", async () => {
      await using store = await startTestStore(kind);
      const handle = await createLogfile(store.options({ wait: false }));
      const fd = handle.open();
      writeSync(fd, "lost");
      await using _daemon = await startStandIn(store.client, () => ({
        state: "failed",
        error: "no such directory",
      }));
      await assert.rejects(handle.close(), {
        code: "refused",
        message: "no such directory; 4 bytes in its FIFO were lost",
      });
      closeSync(fd);
      assert.deepEqual(await store.fifos(), []);
    });
  });
}

describe("a FIFO", () => {
  async function withDirectory(body: (directory: string) => Promise<void> | void): Promise<void> {
    const directory = await mkdtemp(join(tmpdir(), "xenlogd-fifo-"));
    try {
      await body(directory);
    } finally {
      await rm(directory, { recursive: true });
    }
  }

  for (const umask of [0, 0o022, 0o777]) {
    // contract: C31
    it(`has mode 0600 under umask ${umask.toString(8)}`, () =>
      withDirectory((directory) => {
        const before = process.umask(umask);
        try {
          const { path } = createFifo({ directory });
          assert.equal(statSync(path).mode & 0o7777, 0o600);
        } finally {
          process.umask(before);
        }
      }));
  }

  it("gets a directory with mode 0700, and a name without surprises", () =>
    withDirectory((directory) => {
      const { path } = createFifo({ directory: join(directory, "a/b"), label: "../x y\n-ü/z" });
      assert.match(path, /\/a\/b\/_x_y_-_z-[0-9a-f]{16}\.fifo$/);
      assert.equal(statSync(join(directory, "a/b")).mode & 0o7777, 0o700);
    }));

  // contract: C77
  it("opens O_RDWR: without a reader the writer keeps its bytes", () =>
    withDirectory((directory) => {
      const fifo = createFifo({ directory });
      const fd = fifo.open();
      assert.equal(accessMode(fd), 2);
      assert.equal(writeSync(fd, "x"), 1);
      closeSync(fd);
    }));

  // contract: C77, C84
  it("opens O_WRONLY without waiting: without a reader the writer gets EPIPE", () =>
    withDirectory((directory) => {
      const fd = createFifo({ directory }).open("wronly");
      assert.equal(accessMode(fd), 1);
      assert.throws(() => writeSync(fd, "x"), { code: "EPIPE" });
      closeSync(fd);
    }));

  // contract: C83
  it("is never made by opening, nor taken for one", () =>
    withDirectory(async (directory) => {
      const missing = join(directory, "missing");
      assert.throws(() => openFifo(missing), {
        code: "fifo",
        message: `cannot open ${missing}: it does not exist`,
      });
      const file = join(directory, "file");
      await writeFile(file, "");
      assert.throws(() => openFifo(file, "wronly"), { message: `${file} is not a FIFO` });
      assert.deepEqual(await readdir(directory), ["file"]);
    }));

  // contract: C91
  it("that cannot be made is told with its path", () =>
    withDirectory(async (directory) => {
      await writeFile(join(directory, "file"), "");
      assert.throws(
        () => createFifo({ directory: join(directory, "file") }),
        (error: ToolstackError) => {
          assert.equal(error.code, "fifo");
          assert.match(error.message, /^cannot make .*\/file\/log-[0-9a-f]{16}\.fifo: /);
          return true;
        },
      );
    }));

  it("is discarded only if it still is the one that was made", () =>
    withDirectory(async (directory) => {
      const fifo = createFifo({ directory });
      await rm(fifo.path);
      await mkdir(fifo.path);
      fifo.discard();
      assert.ok(statSync(fifo.path).isDirectory());
    }));
});

/** O_RDONLY 0, O_WRONLY 1, O_RDWR 2. */
function accessMode(fd: number): number {
  const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
  return Number.parseInt(flags ?? "", 8) & 0o3;
}
