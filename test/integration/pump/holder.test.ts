// SPDX-License-Identifier: Apache-2.0
// The holder keeps the stages of a dead pump; a live pump keeps those of a dead holder.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { createLogfile, introduceDomain } from "../../../src/toolstack/index.ts";
import { chainOf } from "../../support/chain.ts";
import { isRunning, TestDaemon } from "../../support/daemon.ts";
import { compileC } from "../../support/programs.ts";
import { waitFor } from "../../support/wait.ts";

const deaths = 5;

function holderOf(daemon: TestDaemon): number {
  const table = join(daemon.directory, "state/table");
  const [file = ""] = readdirSync(table).filter((name) => /^holder-.*\.json$/.test(name));
  const holder = JSON.parse(readFileSync(join(table, file), "utf8")) as {
    process: { pid: number };
  };
  return holder.process.pid;
}

/** Inodes behind the descriptors of a process that are open for reading only. */
function readOnlyInodes(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/fdinfo`).flatMap((fd) => {
    const info = readFileSync(`/proc/${pid}/fdinfo/${fd}`, "latin1");
    const flags = Number.parseInt(/^flags:\s+(\d+)$/m.exec(info)?.[1] ?? "", 8);
    const inode = /^ino:\s+(\d+)$/m.exec(info)?.[1];
    return (flags & 3) === constants.O_RDONLY && inode !== undefined ? [inode] : [];
  });
}

describe("the holder of the stages", () => {
  it("shares its open file descriptions with the pump, and so does the next holder", async (t) => {
    if (process.getuid?.() !== 0) return t.skip("looking into another process needs root");
    await using daemon = await TestDaemon.start();
    // Those that the pump opens itself are O_RDWR: what it has O_RDONLY it has from the holder.
    const stages = readOnlyInodes(holderOf(daemon)).filter((inode, index, all) => {
      return all.indexOf(inode) === index && readOnlyInodes(daemon.pumpPid).includes(inode);
    });
    assert.ok(stages.length >= 8, `${stages.length} stages`);
    await daemon.kill(holderOf(daemon));
    await waitFor("another holder", () =>
      daemon.events.some((each) => each.msg === "HolderReplaced"),
    );
    const next = readOnlyInodes(holderOf(daemon));
    assert.ok(stages.every((inode) => next.includes(inode)));
  });

  it("is replaced when it is killed, and no byte is lost when the pump is killed after that", async (t) => {
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
    const holders = new Set<number>();
    try {
      for (let death = 1; death <= deaths; death += 1) {
        const holder = holderOf(daemon);
        holders.add(holder);
        await daemon.kill(holder);
        await waitFor("another holder", () => count("HolderReplaced") === death);
        await daemon.kill(daemon.pumpPid);
        await waitFor("another pump", () => count("PumpStarted") === death + 1);
      }
    } finally {
      writer.kill("SIGTERM");
      await once(writer, "exit");
    }
    assert.equal(holders.size, deaths);
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
    const last = holderOf(daemon);
    await daemon.stop();
    assert.ok(!isRunning(last), "it goes with the daemon");
  });
});
