// SPDX-License-Identifier: Apache-2.0
// Stages that come back from the service manager: the very descriptors are kept until the pump's work
// with them is known to be over. A pump that hangs in its disk may have them, and would hang a close.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, fstatSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { makePipe } from "../../../src/kernel/index.ts";
import { identifyProcess } from "../../../src/program/index.ts";
import { processesIn } from "../../support/cli.ts";
import { waitFor } from "../../support/wait.ts";

const pool = "254-0";
const count = 2;

/** Runs in a process whose descriptors 3 and 4 are the stages. */
const script = `
import { fstatSync } from "node:fs";
const { ServiceManager, Vault } = await import(process.argv[1]);
const events = [];
const emit = ({ kind }) => events.push(kind);
const serviceManager = ServiceManager.fromEnvironment(process.env, emit);
const isOpen = (fd) => {
  try { return fstatSync(fd).isFIFO(); } catch { return false; }
};
const open = {};
const look = (when) => { open[when] = [3, 4].filter(isOpen).length; };
const vault = new Vault({ directory: process.argv[2], serviceManager, emit });
look("taken over");
const { contents, locations } = vault.stagesOf("${pool}");
vault.restored();
look("restored");
vault.pumpStarted("${pool}", process.pid);
look("started");
const inodes = locations(0).map(({ inode }) => inode);
vault.giveUpStages("${pool}");
look("given up");
vault.stop();
console.log(JSON.stringify({ contents, inodes, events, open }));
`;

interface Found {
  readonly contents: string;
  readonly inodes: readonly number[];
  readonly events: readonly string[];
  /** How many of the inherited stages are open. */
  readonly open: Readonly<Record<string, number>>;
}

/** What a daemon does with inherited stages, given the inodes of the state file. */
async function inherit(stages: readonly number[], inodes: readonly number[]): Promise<Found> {
  const directory = mkdtempSync(join(tmpdir(), "xenlogd-inherit-"));
  try {
    const gone = identifyProcess(process.pid) ?? assert.fail("no process");
    const state = {
      token: "0123456789abcdef",
      process: { ...gone, startTicks: "1" },
      stages: inodes.map((inode, index) => ({ pool, fd: 5 + index, inode })),
    };
    const text = JSON.stringify({ version: 2, processes: [state], contents: {} });
    writeFileSync(join(directory, "vault.json"), text);
    const vault = new URL("../../../src/vault/index.ts", import.meta.url).href;
    const node = [process.execPath, "--input-type=module", "--eval", script, vault, directory];
    const child = spawn("sh", ["-c", 'LISTEN_PID=$$ exec "$@"', "sh", ...node], {
      stdio: ["ignore", "pipe", "inherit", ...stages],
      env: {
        ...process.env,
        LISTEN_FDS: String(stages.length),
        LISTEN_FDNAMES: stages.map((_, index) => `stage-${pool}-${index}`).join(":"),
      },
    });
    const ended = once(child, "close");
    const output = (await child.stdout?.toArray()) ?? [];
    assert.deepEqual(await ended, [0, null]);
    await waitFor("no process", () => processesIn(directory).length === 0);
    return JSON.parse(Buffer.concat(output).toString()) as Found;
  } finally {
    for (const pid of processesIn(directory)) process.kill(pid, "SIGKILL");
    rmSync(directory, { recursive: true });
  }
}

describe("stages that come back from the service manager", () => {
  const pipes = Array.from({ length: count }, makePipe);
  const stages = pipes.map(({ readFd }) => readFd);
  const inodes = stages.map((fd) => fstatSync(fd).ino);

  it("stay open until they are given up", async () => {
    assert.deepEqual(await inherit(stages, inodes), {
      contents: "unknown",
      inodes,
      events: ["StagesRestored"],
      open: { "taken over": count, restored: count, started: count, "given up": 0 },
    });
  });

  it("are not taken for those of the state file if one of them is another pipe", async () => {
    const { contents, events } = await inherit(stages, [inodes[0] ?? 0, 1]);
    assert.deepEqual({ contents, events }, { contents: "new", events: ["StagesLost"] });
  });

  after(() => {
    for (const { readFd, writeFd } of pipes) for (const fd of [readFd, writeFd]) closeSync(fd);
  });
});
