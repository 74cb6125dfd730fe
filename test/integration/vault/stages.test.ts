// SPDX-License-Identifier: Apache-2.0
// The vault keeps the stages of a dead pump, and main those of a dead vault process.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants, readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { createLogfile, introduceDomain } from "../../../src/toolstack/index.ts";
import { chainOf } from "../../support/chain.ts";
import { isRunning, TestDaemon, vaultPidIn } from "../../support/daemon.ts";
import { compileC } from "../../support/programs.ts";
import { waitFor } from "../../support/wait.ts";
import { Bench, noFlood } from "../daemon/fixture.ts";

const deaths = 5;

function vaultOf(daemon: TestDaemon): number {
  return vaultPidIn(daemon.tableDirectory) ?? assert.fail("no vault process");
}

/** Empty for a descriptor that was closed a moment ago. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}

/** Inodes behind the descriptors of a process that are open for reading only. */
function readOnlyInodes(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/fdinfo`).flatMap((fd) => {
    const info = textOf(`/proc/${pid}/fdinfo/${fd}`);
    const flags = Number.parseInt(/^flags:\s+(\d+)$/m.exec(info)?.[1] ?? "", 8);
    const inode = /^ino:\s+(\d+)$/m.exec(info)?.[1];
    return (flags & 3) === constants.O_RDONLY && inode !== undefined ? [inode] : [];
  });
}

describe("the stages in the vault", () => {
  it("are the same open file descriptions in the pump, the process and the next one", async (t) => {
    if (process.getuid?.() !== 0) return t.skip("looking into another process needs root");
    await using daemon = await TestDaemon.start();
    // Those that the pump opens itself are O_RDWR: what it has O_RDONLY it inherits.
    const stages = readOnlyInodes(vaultOf(daemon)).filter((inode, index, all) => {
      return all.indexOf(inode) === index && readOnlyInodes(daemon.pumpPid).includes(inode);
    });
    assert.ok(stages.length >= 8, `${stages.length} stages`);
    await daemon.kill(vaultOf(daemon));
    await waitFor("another vault", () =>
      daemon.events.some((each) => each.msg === "VaultProcessReplaced"),
    );
    const next = readOnlyInodes(vaultOf(daemon));
    assert.ok(stages.every((inode) => next.includes(inode)));
  });

  it("are in another process when that is killed, and no byte is lost when the pump is killed after that", async (t) => {
    const flood = await compileC("test/support/programs/flood.c");
    const verify = await compileC("test/support/programs/verify.c");
    if (!flood.found) return t.skip(flood.reason);
    if (!verify.found) return t.skip(verify.reason);
    await using daemon = await TestDaemon.start();
    const xenstore = await daemon.xenstore();
    const file = daemon.logPath("flooder-console.log");
    const handle = await createLogfile({
      xenstore,
      domid: await introduceDomain(xenstore, "flooder"),
      file,
      limitBytes: 1 << 24,
      copies: 900,
      fifoDirectory: daemon.fifoDirectory,
    });
    const writer = spawn(flood.path, ["-r", "200", handle.pipe, "0"], { stdio: "ignore" });
    const count = (name: string): number => daemon.events.filter(({ msg }) => msg === name).length;
    const vaults = new Set<number>();
    try {
      for (let death = 1; death <= deaths; death += 1) {
        const vault = vaultOf(daemon);
        vaults.add(vault);
        await daemon.kill(vault);
        await waitFor("another vault", () => count("VaultProcessReplaced") === death);
        await daemon.kill(daemon.pumpPid);
        await waitFor("another pump", () => count("PumpStarted") === death + 1);
      }
    } finally {
      writer.kill("SIGTERM");
      await once(writer, "exit");
    }
    assert.equal(vaults.size, deaths);
    await handle.close();
    await waitFor(
      "the end",
      async () => (await daemon.control.streams({ all: false })).length === 0,
    );
    const check = spawn(verify.path, chainOf(file), { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    check.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const [code] = await once(check, "close");
    assert.equal(code, 0, said);
    assert.equal(JSON.parse(said).start, 0, said);
    const last = vaultOf(daemon);
    await daemon.stop();
    assert.ok(!isRunning(last), "it goes with the daemon");
  });

  it("are kept by main when pump and vault are killed at once", { skip: noFlood }, async () => {
    await using bench = await Bench.start();
    const { daemon } = bench;
    const flood = await bench.flood("both-killed");
    const pump = await bench.freezePumpWithBytes();
    const bytes = await flood.stop();
    const vault = vaultOf(daemon);
    await bench.untilNextPump(() => daemon.kill(vault, pump));
    await bench.assertWhole(flood, bytes);
    assert.equal(bench.count("VaultProcessReplaced"), 1);
    assert.ok(bench.count("StageRecovered") > 0);
    assert.equal(bench.count("StageLost") + bench.count("StagesLost"), 0);
  });
});
