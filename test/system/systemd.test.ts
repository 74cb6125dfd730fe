// SPDX-License-Identifier: Apache-2.0
// The shipped unit under a real systemd: everything of ours is killed at the same instant, and what
// pipes held comes back from the descriptor store.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { controlClient } from "../../src/control/index.ts";
import { createLogfile, introduceDomain, type LogfileHandle } from "../../src/toolstack/index.ts";
import { connectXenstore, type XenstoreClient } from "../../src/xenstore/index.ts";
import { chainOf, chainSizes } from "../support/chain.ts";
import type { LoggedEvent } from "../support/daemon.ts";
import { compileC } from "../support/programs.ts";
import { Systemd, systemdPart } from "../support/systemd.ts";
import { ourProgram } from "../support/target.ts";
import { waitFor } from "../support/wait.ts";

const part = await systemdPart();
const flood = await compileC("test/support/programs/flood.c");
const verify = await compileC("test/support/programs/verify.c");
const missing = [part, flood, verify].find((each) => !each.found);
const skip = missing?.found === false ? missing.reason : false;

const unit = "xenlogd.service";
const text = readFileSync(new URL("../../packaging/xenlogd.service", import.meta.url), "utf8");
const stagesMax = 8;

/** A host with the unit, and an xenstored that is not part of it. */
class Host implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), "xenlogd-sd-"));
  readonly #stack = new AsyncDisposableStack();
  #systemd: Systemd | undefined;
  #xenstore: XenstoreClient | undefined;

  static async start(): Promise<Host> {
    const host = new Host();
    try {
      await host.#start();
      return host;
    } catch (error) {
      await host[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { directory } = this;
    this.#stack.defer(() => rmSync(directory, { recursive: true }));
    for (const name of ["run", "log"]) mkdirSync(join(directory, name));
    const socketPath = join(directory, "xenstored.sock");
    const [node, xenlog] = ourProgram("xenlog");
    const args = ["xenstored", "--socket", socketPath, "--state", join(directory, "store")];
    const store = spawn(node, [xenlog, ...args], { stdio: "ignore" });
    this.#stack.defer(async () => {
      store.kill("SIGTERM");
      await once(store, "exit");
    });
    await waitFor("the store", () => existsSync(socketPath));
    this.#xenstore = this.#stack.use(await connectXenstore({ socketPath }));
    const dropIn = dropInFor(directory, socketPath);
    this.#systemd = this.#stack.use(await Systemd.start(directory, { name: unit, text, dropIn }));
    await this.untilActive();
  }

  get systemd(): Systemd {
    assert.ok(this.#systemd);
    return this.#systemd;
  }

  /** Events of all daemons so far. */
  get events(): readonly LoggedEvent[] {
    const lines = readFileSync(join(this.directory, "events"), "utf8").split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as LoggedEvent);
  }

  count(msg: string): number {
    return this.events.filter((event) => event.msg === msg).length;
  }

  async untilActive(): Promise<void> {
    await waitFor("an active unit", async () => {
      return (await this.systemd.property(unit, "ActiveState")) === "active";
    });
  }

  async stored(): Promise<number> {
    return Number(await this.systemd.property(unit, "NFileDescriptorStore"));
  }

  async stream(name: string): Promise<LogfileHandle> {
    const xenstore = this.#xenstore;
    assert.ok(xenstore);
    return await createLogfile({
      xenstore,
      domid: await introduceDomain(xenstore, name),
      file: join(this.directory, `log/xenlogd/${name}.log`),
      fifoDirectory: join(this.directory, "run/xenlogd/fifo"),
      limitBytes: 16 << 20,
      copies: 200,
    });
  }

  async closed(handle: LogfileHandle): Promise<void> {
    await handle.close();
    const control = controlClient(join(this.directory, "run/xenlogd/control.sock"));
    await waitFor("the end of the stream", async () => {
      const live = await control.streams({ all: false });
      return live.every(({ file }) => file !== handle.file);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function dropInFor(directory: string, xenstoreSocket: string): string {
  const variables = {
    XENSTORED_PATH: xenstoreSocket,
    XEN_RUN_DIR: join(directory, "run"),
    XEN_LOG_DIR: join(directory, "log"),
  };
  return [
    "[Unit]",
    "ConditionPathExists=",
    "[Service]",
    "ExecStart=",
    `ExecStart=${ourProgram("xenlogd").join(" ")}`,
    ...Object.entries(variables).map(([name, value]) => `Environment=${name}=${value}`),
    `StandardError=append:${join(directory, "events")}`,
    "",
  ].join("\n");
}

describe("under systemd", { skip }, () => {
  it("no byte is lost or doubled when all processes are killed at once", async (t) => {
    assert.ok(flood.found && verify.found);
    await using host = await Host.start();
    const { systemd } = host;
    const handle = await host.stream("flooder");
    const witness = join(host.directory, "witness");
    const accepted = (): number => Number(readFileSync(witness).readBigUInt64LE(0));
    // O_WRONLY: it ends with an error if the FIFO is without a reader for an instant.
    const writer = spawn(
      flood.path,
      ["-O", "-r", "150", "-p", "1048576", "-w", witness, handle.pipe, "0"],
      { stdio: ["ignore", "ignore", "inherit"] },
    );
    await once(writer, "spawn");
    const rounds = ["all", "all", "main", "all", "all", "main", "all"] as const;
    for (const [round, victim] of rounds.entries()) {
      const before = round === 0 ? 0 : accepted();
      await waitFor("bytes", () => accepted() > before + (4 << 20));
      const main = Number(await systemd.property(unit, "MainPID"));
      if (victim === "all") await systemd.killAll(unit);
      else await systemd.kill(main);
      await waitFor("the next daemon", () => host.count("DaemonStarted") === round + 2);
      assert.equal(writer.exitCode, null, "the writer felt it");
    }
    writer.kill("SIGTERM");
    await once(writer, "exit");
    const bytes = accepted();
    await waitFor("all bytes in the log", () => {
      return chainSizes(handle.file).reduce((sum, size) => sum + size, 0) >= bytes;
    });
    const result = spawnSync(verify.path, chainOf(handle.file), { encoding: "utf8" });
    const { ok, start, end } = JSON.parse(result.stdout) as Record<string, unknown>;
    assert.deepEqual({ ok, start, end }, { ok: true, start: 0, end: bytes }, result.stdout);
    const restored = host.count("HolderRestored");
    const recovered = host.count("StageRecovered");
    t.diagnostic(`${restored} pools restored, ${recovered} with bytes, ${bytes} bytes in all`);
    assert.equal(restored, rounds.length, "systemd ends the holder after the main process, too");
    assert.ok(recovered > 0, "a stage had bytes at least once");
    assert.equal(host.count("HolderLost"), 0);
  });

  it("the last words of a writer are kept while nothing of ours lives", async () => {
    await using host = await Host.start();
    const handle = await host.stream("last-words");
    const script = 'exec 3>"$1"; echo open; read go; echo last words >&3';
    const writer = spawn("sh", ["-c", script, "sh", handle.pipe], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(writer.stdout, "data");
    await host.systemd.killAll(unit);
    writer.stdin.end("go\n");
    const [code, signal] = await once(writer, "exit");
    assert.deepEqual([code, signal], [0, null]);
    await waitFor("the log", () => readFileSync(handle.file, "utf8") === "last words\n");
  });

  it("what is stored follows the streams, and an orderly stop leaves nothing", async () => {
    await using host = await Host.start();
    const { systemd } = host;
    assert.equal(await host.stored(), stagesMax);
    const [one, two] = [await host.stream("one"), await host.stream("two")];
    await waitFor("both FIFOs", async () => (await host.stored()) === stagesMax + 2);
    await systemd.killAll(unit);
    await waitFor("the next daemon", () => host.count("DaemonStarted") === 2);
    await host.untilActive();
    assert.equal(await host.stored(), stagesMax + 2, "inherited ones are not stored twice");
    await host.closed(one);
    await waitFor("one FIFO", async () => (await host.stored()) === stagesMax + 1);
    await systemd.systemctl("restart", unit);
    assert.equal(await host.stored(), stagesMax + 1, "stages are new, and the FIFO is kept");
    await host.closed(two);
    await systemd.systemctl("stop", unit);
    assert.equal(await systemd.property(unit, "Result"), "success");
    assert.deepEqual(await systemd.processes(unit), []);
    assert.equal(await host.stored(), 0);
    const bad = host.events.filter(({ level }) => level === "error");
    assert.deepEqual(bad, []);
  });
});
