// SPDX-License-Identifier: Apache-2.0
// Locks among real processes: who has one, who waits, what a removed file and a dead holder change.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { makeFifo } from "../../../src/kernel/index.ts";
import {
  isLocked,
  type Lock,
  removeFreeLock,
  takeLock,
  takeLockIfFree,
} from "../../../src/program/lock.ts";
import { waitFor } from "../../support/wait.ts";

const directory = mkdtempSync(join(tmpdir(), "lock-"));
after(() => rmSync(directory, { recursive: true }));

let count = 0;
function freshPath(): string {
  count += 1;
  return join(directory, `lock${count}`);
}

const backoff = { firstMs: 1, maxMs: 5 };
const openDescriptors = (): number => readdirSync("/proc/self/fd").length;

/** A process that holds the lock until it is killed. */
async function holdElsewhere(path: string): Promise<ChildProcess> {
  const holder = spawn("flock", [path, "sh", "-c", "echo held; exec sleep 60"], {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  await once(holder.stdout, "data");
  return holder;
}

async function kill(holder: ChildProcess): Promise<void> {
  // The group: flock and the sleep that has inherited its descriptor.
  process.kill(-(holder.pid ?? 0), "SIGKILL");
  await once(holder, "exit");
}

describe("a lock", () => {
  it("excludes another process, and is free when that is killed", async () => {
    const path = freshPath();
    const holder = await holdElsewhere(path);
    const before = openDescriptors();
    try {
      assert.equal(takeLockIfFree(path, "shared"), undefined);
      assert.ok(isLocked(path, "shared"));
      assert.equal(await takeLock(path, "exclusive", { backoff, waitMsMax: 20 }), undefined);
      assert.equal(openDescriptors(), before);
    } finally {
      await kill(holder);
    }
    using lock = await takeLock(path, "exclusive", { backoff, waitMsMax: 5000 });
    assert.ok(lock);
  });

  it("can be shared, and becomes exclusive for the last of them", () => {
    const path = freshPath();
    const first = takeLockIfFree(path, "shared") as Lock;
    {
      using second = takeLockIfFree(path, "shared");
      assert.ok(second);
      assert.ok(!isLocked(path, "shared"));
      assert.ok(isLocked(path, "exclusive"));
      assert.ok(!first.tryExclusive());
    }
    assert.ok(first.tryExclusive());
    assert.ok(isLocked(path, "shared"));
    first[Symbol.dispose]();
    assert.ok(!isLocked(path, "exclusive"));
  });

  it("is on the file that has the name: not on one that was removed", async () => {
    const path = freshPath();
    const old = takeLockIfFree(path, "exclusive") as Lock;
    const waiting = takeLock(path, "exclusive", { backoff, waitMsMax: 5000 });
    rmSync(path);
    using lock = await waiting;
    assert.ok(lock, "the removed file locks nothing");
    assert.equal(takeLockIfFree(path, "exclusive"), undefined);
    old[Symbol.dispose]();
    assert.equal(takeLockIfFree(path, "exclusive"), undefined);
  });

  it("does not become exclusive on a file that the last one has removed", () => {
    const path = freshPath();
    using first = takeLockIfFree(path, "shared") as Lock;
    {
      using second = takeLockIfFree(path, "shared") as Lock;
      assert.ok(!first.tryExclusive(), "which gives its own lock up");
      assert.ok(second.tryExclusive());
      second.removeFile();
    }
    using _next = takeLockIfFree(path, "shared");
    assert.ok(!first.tryExclusive(), "there is another file, with another last one");
  });

  it("is removed with its file only while no process has it", async () => {
    const path = freshPath();
    const holder = await holdElsewhere(path);
    removeFreeLock(path);
    assert.ok(isLocked(path, "shared"));
    await kill(holder);
    // Its sleep has the lock, too, and may end later.
    await waitFor("a free lock", () => !isLocked(path, "shared"));
    removeFreeLock(path);
    assert.ok(!existsSync(path));
  });

  it("is on no FIFO and on no link", () => {
    const before = openDescriptors();
    const [fifo, link] = [freshPath(), freshPath()];
    makeFifo(fifo, 0o600);
    symlinkSync(freshPath(), link);
    const message = `${fifo} is not a regular file`;
    assert.throws(() => takeLockIfFree(fifo, "exclusive"), { message });
    assert.throws(() => takeLockIfFree(link, "exclusive"), { code: "ELOOP" });
    assert.equal(openDescriptors(), before);
  });

  it("excludes others although its file is removed again and again", async () => {
    const path = freshPath();
    const script = `while :; do rm -f ${path}; done`;
    const remover = spawn("sh", ["-c", script], { stdio: "ignore" });
    await once(remover, "spawn");
    try {
      for (let round = 0; round < 200; round += 1) {
        using lock = takeLockIfFree(path, "exclusive");
        assert.ok(lock);
      }
    } finally {
      remover.kill("SIGKILL");
      await once(remover, "exit");
    }
  });

  it("is waited for until the signal", async () => {
    const path = freshPath();
    using _lock = takeLockIfFree(path, "exclusive");
    const controller = new AbortController();
    const waiting = takeLock(path, "exclusive", { backoff, signal: controller.signal });
    controller.abort(new Error("enough"));
    await assert.rejects(waiting, { message: "enough" });
  });

  it("has a file for its owner alone, and leaks nothing when that cannot be opened", () => {
    const path = freshPath();
    using _lock = takeLockIfFree(path, "exclusive");
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const before = openDescriptors();
    assert.throws(() => takeLockIfFree(directory, "exclusive"), { code: "EISDIR" });
    assert.throws(() => takeLockIfFree(`${path}/below`, "exclusive"), { code: "ENOTDIR" });
    assert.equal(openDescriptors(), before);
  });
});
