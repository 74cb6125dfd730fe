// SPDX-License-Identifier: Apache-2.0
// A pid is used again: which process is meant is found out by its start time and the boot.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import {
  identifyProcess,
  isAlive,
  type ProcessIdentity,
  signalProcess,
  watchProcess,
} from "../../../src/program/index.ts";
import { isRunning } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";

let directory: string;
let child: ChildProcess;
let identity: ProcessIdentity;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "xenlogd-identity-"));
  // A name that looks like the fields behind it in /proc/PID/stat.
  const program = join(directory, ") Z 1 (2");
  copyFileSync(realpathSync("/bin/sleep"), program);
  child = spawn(program, ["60"], { stdio: "ignore", argv0: "sleep" });
  await once(child, "spawn");
  identity = await waitFor("its identity", () => identifyProcess(child.pid ?? 0));
});

afterEach(async () => {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  rmSync(directory, { recursive: true });
});

/** The same pid before it was used again, and before the host was started again. */
function strangers(): readonly ProcessIdentity[] {
  return [
    { ...identity, startTicks: String(Number(identity.startTicks) - 1) },
    { ...identity, bootId: "00000000-0000-0000-0000-000000000000" },
  ];
}

describe("the identity of a process", () => {
  it("is that of one which runs", () => {
    assert.ok(isAlive(identity));
    assert.deepEqual(identifyProcess(child.pid ?? 0), identity);
    for (const stranger of strangers()) assert.ok(!isAlive(stranger), JSON.stringify(stranger));
  });

  it("keeps a signal from a process that has only the same pid", async () => {
    for (const stranger of strangers()) assert.ok(!signalProcess(stranger, "SIGKILL"));
    assert.ok(isRunning(identity.pid));
    assert.ok(signalProcess(identity, "SIGKILL"));
    assert.deepEqual(await once(child, "exit"), [null, "SIGKILL"]);
    assert.ok(!isAlive(identity));
  });

  it("is over when the process is a zombie", async () => {
    // A shell that does not wait for its child.
    const parent = spawn("sh", ["-c", "sleep 0 & echo $!; exec sleep 60"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    try {
      const [text] = (await once(parent.stdout, "data")) as [Buffer];
      const pid = Number(text);
      await waitFor("its end", () => !isRunning(pid));
      assert.equal(identifyProcess(pid), undefined);
    } finally {
      parent.kill("SIGKILL");
      await once(parent, "exit");
    }
  });

  it("is watched: the end of that process, at once for a stranger", async () => {
    for (const stranger of strangers()) {
      await new Promise<void>((resolve) => {
        watchProcess(stranger, resolve);
      });
    }
    let ends = 0;
    watchProcess(identity, () => {
      ends += 1;
    });
    const unwatched = watchProcess(identity, () => assert.fail("nobody watches any more"));
    unwatched.close();
    child.kill("SIGKILL");
    await once(child, "exit");
    await waitFor("the end", () => ends === 1);
  });
});
