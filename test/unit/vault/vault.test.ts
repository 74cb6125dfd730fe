// SPDX-License-Identifier: Apache-2.0
// The vault by itself, with real detached processes: whom it trusts, what it ends, and what it does
// when the kernel refuses.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { copyDescriptorOf, makeFifo, raiseLimits } from "../../../src/kernel/index.ts";
import type { DaemonEvent } from "../../../src/observe/index.ts";
import { identifyProcess } from "../../../src/program/index.ts";
import { ServiceManager, Vault } from "../../../src/vault/index.ts";
import { startVaultProcess } from "../../../src/vault/vault-process.ts";
import { processesIn } from "../../support/cli.ts";
import {
  endsKeptBy,
  isRunning,
  type VaultProcessState,
  vaultPidIn,
  vaultProcessesIn,
} from "../../support/daemon.ts";
import { limitWith, noPrlimit, setSoftOpenFiles } from "../../support/limits.ts";
import { waitFor } from "../../support/wait.ts";

const pool = "254-0";

class Room implements Disposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), "xenlogd-vault-"));
  readonly events: DaemonEvent[] = [];

  vault(copy: typeof copyDescriptorOf = copyDescriptorOf): Vault {
    const emit = (event: DaemonEvent): void => void this.events.push(event);
    const serviceManager = ServiceManager.fromEnvironment({}, emit);
    return new Vault({ directory: this.directory, serviceManager, emit, copyDescriptorOf: copy });
  }

  fifo(name: string): { readonly epoch: string; runRoot: string; relativePipe: string } {
    makeFifo(join(this.directory, name), 0o600);
    return { epoch: name, runRoot: this.directory, relativePipe: name };
  }

  get kinds(): readonly string[] {
    return this.events.map(({ kind }) => kind);
  }

  get pid(): number {
    return vaultPidIn(this.directory) ?? assert.fail("no process");
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
    for (const pid of processesIn(this.directory)) process.kill(pid, "SIGKILL");
  }
}

const refused = (): never => {
  throw new Error("EPERM");
};

function inodesOf(vault: Vault): readonly number[] {
  return vault
    .stagesOf(pool)
    .locations(0)
    .map(({ inode }) => inode);
}

describe("the vault", () => {
  it("does not end at its stop a process that has the pid of the state file", async () => {
    using room = new Room();
    const sleep = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
    const other = startVaultProcess(join(room.directory, "other"), []);
    const identity = identifyProcess(sleep.pid ?? 0) ?? assert.fail("no sleep");
    const token = "0123456789abcdef";
    const stages = [{ pool, fd: 5, inode: 1 }];
    const processes = [
      { token, process: identity, stages },
      { token, process: other.process.process, stages: [] },
    ];
    writeFileSync(
      join(room.directory, "vault.json"),
      JSON.stringify({ version: 2, processes, contents: {} }),
    );
    const vault = room.vault();
    assert.equal(vault.stagesOf(pool).contents, "new");
    assert.deepEqual(room.kinds, ["StagesLost"]);
    vault.restored();
    vault.giveUpStages(pool);
    await vault.stop();
    assert.ok(isRunning(identity.pid), "not a process of a vault");
    assert.ok(isRunning(other.process.process.pid), "of another directory");
    assert.deepEqual(vaultProcessesIn(room.directory), []);
    sleep.kill("SIGKILL");
    process.kill(other.process.process.pid, "SIGKILL");
    await once(sleep, "exit");
    for (const fd of [other.sendFd, other.lifelineFd]) closeSync(fd);
  });

  it("takes over the stages of a process, and ends that when its FIFOs are open", async () => {
    using room = new Room();
    const first = room.vault();
    const inodes = inodesOf(first);
    first.restored();
    const before = room.pid;
    const next = room.vault();
    assert.deepEqual(inodesOf(next), inodes);
    assert.equal(next.stagesOf(pool).contents, "unknown");
    assert.notEqual(room.pid, before);
    assert.ok(isRunning(before), "it may have FIFOs that are not open here yet");
    assert.equal(vaultProcessesIn(room.directory).length, 2);
    next.restored();
    await waitFor("its end", () => !isRunning(before));
    assert.equal(vaultProcessesIn(room.directory).length, 1);
    for (const vault of [first, next]) vault.giveUpStages(pool);
    await next.stop();
    assert.deepEqual(vaultProcessesIn(room.directory), []);
  });

  it("takes the stages of another process if it cannot copy those of the newest", async () => {
    using room = new Room();
    const first = room.vault();
    const inodes = inodesOf(first);
    const { descriptors } = first.stagesOf(pool);
    const newest = startVaultProcess(
      room.directory,
      descriptors.map((fd) => ({ pool, fd })),
    );
    const processes = [newest.process, ...vaultProcessesIn(room.directory)];
    const state = { version: 2, processes, contents: {} };
    writeFileSync(join(room.directory, "vault.json"), JSON.stringify(state));
    const next = room.vault((pid, fd) =>
      pid === newest.process.process.pid ? refused() : copyDescriptorOf(pid, fd),
    );
    assert.deepEqual(inodesOf(next), inodes);
    assert.equal(next.stagesOf(pool).descriptors.length, inodes.length);
    next.restored();
    await waitFor("its end", () => !isRunning(newest.process.process.pid));
    for (const vault of [first, next]) vault.giveUpStages(pool);
    await next.stop();
    for (const fd of [newest.sendFd, newest.lifelineFd]) closeSync(fd);
  });

  it("trusts no process of another user, whatever its command line", {
    skip: process.getuid?.() === 0 ? false : "starting a process of another user needs root",
  }, async () => {
    using room = new Room();
    const token = "0123456789abcdef";
    const args = ["-c", "echo; read line", "xenlogd-vault", room.directory, token];
    const other = spawn("sh", args, { uid: 65_534, detached: true });
    await once(other.stdout, "data");
    const identity = identifyProcess(other.pid ?? 0) ?? assert.fail("no process");
    const state = {
      version: 2,
      processes: [{ token, process: identity, stages: [] }],
      contents: {},
    };
    writeFileSync(join(room.directory, "vault.json"), JSON.stringify(state));
    const vault = room.vault();
    vault.restored();
    await vault.stop();
    assert.ok(isRunning(identity.pid));
    other.stdin.end("\n");
    await once(other, "exit");
  });

  it("leaves a process its stages while the kernel does not let it copy them", async () => {
    using room = new Room();
    const first = room.vault();
    const { descriptors } = first.stagesOf(pool);
    const inodes = inodesOf(first);
    first.restored();
    const before = room.pid;
    let copy: typeof copyDescriptorOf = refused;
    const next = room.vault((pid, fd) => copy(pid, fd));
    const stages = next.stagesOf(pool);
    assert.deepEqual(stages.descriptors, []);
    assert.match(stages.locations(4)[0]?.path ?? "", new RegExp(`^/proc/${before}/fd/`));
    next.keep(room.fifo("one"));
    next.restored();
    assert.ok(isRunning(before), "only that process has them");
    assert.equal(endsKeptBy(room.pid), 1);
    // The pump is a child, and has them open: Yama lets its parent copy them.
    copy = copyDescriptorOf;
    assert.ok(descriptors.length > 0);
    next.pumpStarted(pool, process.pid);
    await waitFor("its end", () => !isRunning(before));
    const [{ stages: held } = assert.fail()] = vaultProcessesIn(room.directory);
    assert.deepEqual(
      held.map(({ inode }) => inode),
      inodes,
    );
    for (const vault of [first, next]) vault.giveUpStages(pool);
    await next.stop();
  });

  it("replaces a process that is killed, once, with all that it had", async () => {
    using room = new Room();
    const vault = room.vault();
    const inodes = inodesOf(vault);
    vault.keep(room.fifo("one"));
    vault.keep(room.fifo("two"));
    vault.restored();
    vault.forget("one");
    const before = room.pid;
    process.kill(before, "SIGKILL");
    await waitFor("another", () => room.kinds.includes("VaultProcessReplaced"));
    assert.deepEqual(room.kinds, ["VaultProcessLost", "VaultProcessReplaced"]);
    assert.equal(endsKeptBy(room.pid), 1);
    assert.deepEqual(inodesOf(vault), inodes);
    vault.giveUpStages(pool);
    await vault.stop();
    assert.deepEqual(processesIn(room.directory), []);
  });

  it("reports a FIFO that it has no descriptor for", { skip: noPrlimit }, async () => {
    using room = new Room();
    const vault = room.vault();
    vault.restored();
    const fifo = room.fifo("one");
    setSoftOpenFiles(process.pid, limitWith(process.pid, 0));
    try {
      assert.equal(vault.keep(fifo), "kept", "nothing is lost");
    } finally {
      raiseLimits();
    }
    const reason = `pipe ${join(room.directory, "one")} cannot be opened: too many open files in this process`;
    assert.deepEqual(room.events, [{ kind: "FifoNotKept", epoch: "one", reason }]);
    await vault.stop();
  });

  it("reports a process that it has no descriptors for, and starts it later", {
    skip: noPrlimit,
  }, async () => {
    using room = new Room();
    const vault = room.vault();
    vault.restored();
    const fifo = room.fifo("one");
    // For the FIFO, its path and its directory, and not for the sockets of a process.
    setSoftOpenFiles(process.pid, limitWith(process.pid, 3));
    try {
      vault.keep(fifo);
    } finally {
      raiseLimits();
    }
    assert.deepEqual(room.kinds, ["VaultProcessFailed"]);
    await waitFor("the process", () => vaultPidIn(room.directory) !== undefined);
    await waitFor("its FIFO", () => endsKeptBy(room.pid) === 1);
    vault.forget("one");
    await vault.stop();
  });

  it("reports a failed replacement once, and tries again until it succeeds", async () => {
    using room = new Room();
    const vault = room.vault();
    const fifo = room.fifo("one");
    // The state file cannot be written while its temporary name is a directory.
    mkdirSync(join(room.directory, "vault.json.new/full"), { recursive: true });
    const stages = vault.stagesOf(pool);
    assert.equal(stages.descriptors.length, 8, "a pump can start all the same");
    vault.keep(fifo);
    vault.restored();
    await waitFor("a report", () => room.kinds.length > 0);
    // One that is not in the file does not stay.
    await waitFor("its end", () => processesIn(room.directory).length === 0);
    // Three more tries at least: after 100, 200 and 400 ms.
    await new Promise((resolve) => setTimeout(resolve, 750));
    assert.deepEqual(room.kinds, ["VaultProcessFailed"]);
    rmSync(join(room.directory, "vault.json.new"), { recursive: true });
    const pid = await waitFor("a process", () => vaultPidIn(room.directory));
    assert.equal(endsKeptBy(pid), 1);
    vault.giveUpStages(pool);
    await vault.stop();
  });

  it("stops where its state file cannot be removed", async () => {
    using room = new Room();
    const vault = room.vault();
    vault.restored();
    mkdirSync(join(room.directory, "vault.json/full"), { recursive: true });
    await vault.stop();
    assert.deepEqual(room.kinds, ["VaultProcessFailed"]);
    assert.deepEqual(processesIn(room.directory), []);
  });

  it("has more FIFOs than one message takes", async () => {
    using room = new Room();
    const vault = room.vault();
    vault.stagesOf(pool);
    const count = 600;
    for (let next = 0; next < count; next += 1) vault.keep(room.fifo(`f${next}`));
    vault.restored();
    assert.equal(endsKeptBy(room.pid), count);
    const writer = openSync(join(room.directory, "f0"), constants.O_WRONLY | constants.O_NONBLOCK);
    const before = room.pid;
    vault.giveUpStages(pool);
    await vault.stop();
    await waitFor("its end", () => !isRunning(before));
    assert.equal(endsKeptBy(room.pid), 1, "only the one with a writer");
    closeSync(writer);
    const next = room.vault();
    next.restored();
    await next.stop();
    assert.deepEqual(processesIn(room.directory), []);
  });
});

describe("the detached process", () => {
  it("ends when its daemon is gone and the state file does not name it", async () => {
    using room = new Room();
    for (const state of ["none", "another", "damaged"] as const) {
      if (state === "another") writeFileSync(join(room.directory, "vault.json"), '{"token":"0"}\n');
      if (state === "damaged") writeFileSync(join(room.directory, "vault.json"), "");
      const started = startVaultProcess(room.directory, []);
      closeSync(started.sendFd);
      assert.ok(isRunning(started.process.process.pid));
      closeSync(started.lifelineFd);
      await waitFor(`its end (${state})`, () => !isRunning(started.process.process.pid));
    }
  });

  it("stays while the state file names it, and ends when the directory is gone", async () => {
    using room = new Room();
    const started = startVaultProcess(room.directory, [], 0.05);
    const processes: readonly VaultProcessState[] = [started.process];
    const state = `${JSON.stringify({ version: 2, processes, contents: {} })}\n`;
    writeFileSync(join(room.directory, "vault.json"), state);
    closeSync(started.sendFd);
    closeSync(started.lifelineFd);
    const { pid } = started.process.process;
    const children = `/proc/${pid}/task/${pid}/children`;
    // It has looked, and looks again.
    const first = await waitFor("its sleep", () => readFileSync(children, "latin1"));
    await waitFor("its next sleep", () => ![first, ""].includes(readFileSync(children, "latin1")));
    rmSync(room.directory, { recursive: true });
    await waitFor("its end", () => !isRunning(pid));
  });

  it("is ended by the next daemon if no state file names it", async () => {
    using room = new Room();
    const unknown = startVaultProcess(room.directory, []);
    const { pid } = unknown.process.process;
    const vault = room.vault();
    assert.ok(isRunning(pid));
    vault.restored();
    await waitFor("its end", () => !isRunning(pid));
    await vault.stop();
    for (const fd of [unknown.sendFd, unknown.lifelineFd]) closeSync(fd);
  });
});
