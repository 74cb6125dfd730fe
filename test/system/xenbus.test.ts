// SPDX-License-Identifier: Apache-2.0
// A host without xenstored's socket, such as a driver domain, or dom0 with xenstored in a domain of
// its own: daemon and command line find the kernel's device by themselves. The device is a terminal
// (xenbus-pty.c) in front of Debian's xenstored, one for each process, at the device's own path.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { compileC } from "../support/programs.ts";
import { ourProgram } from "../support/target.ts";
import { waitFor } from "../support/wait.ts";
import { startXenstored, xenstoredParts } from "../support/xenstored.ts";

const parts = await xenstoredParts();
const terminal = await compileC("test/support/programs/xenbus-pty.c");
const root = fileURLToPath(new URL("../support/xenbus-root.sh", import.meta.url));
const skip = !parts.found
  ? parts.reason
  : !terminal.found
    ? terminal.reason
    : process.getuid?.() !== 0 && "a mount namespace needs root";

interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

class Host {
  readonly directory: string = mkdtempSync(join(tmpdir(), "xenbus-"));
  readonly #t: TestContext;
  #devices = 0;

  constructor(t: TestContext) {
    this.#t = t;
    for (const name of ["run", "log"]) mkdirSync(join(this.directory, name));
    t.after(() => rmSync(this.directory, { recursive: true }));
  }

  /** A program of ours that finds nothing of xenstored but the device. */
  async start(
    name: "xenlog" | "xenlogd",
    socket: string,
    ...args: string[]
  ): Promise<ChildProcess> {
    assert.ok(terminal.found);
    this.#devices += 1;
    const relay = spawn(terminal.path, [socket], { stdio: ["pipe", "pipe", "inherit"] });
    this.#t.after(() => relay.kill());
    const [device] = (await once(createInterface(relay.stdout), "line")) as [string];
    const place = join(this.directory, `root-${this.#devices}`);
    mkdirSync(place);
    const command = ["--mount", "sh", root, place, device, ...ourProgram(name), ...args];
    const child = spawn("unshare", command, {
      env: this.environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#t.after(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    });
    return child;
  }

  get environment(): NodeJS.ProcessEnv {
    const { XENSTORED_PATH: _path, XENSTORED_RUNDIR: _directory, ...environment } = process.env;
    const [run, log] = [join(this.directory, "run"), join(this.directory, "log")];
    return { ...environment, XEN_RUN_DIR: run, XEN_LOG_DIR: log };
  }
}

async function resultOf(child: ChildProcess): Promise<Result> {
  const words = { stdout: "", stderr: "" };
  child.stdout?.on("data", (chunk) => {
    words.stdout += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    words.stderr += chunk;
  });
  const [code] = await once(child, "close");
  return { code, ...words };
}

test("a host that has only the device: daemon and command line work by themselves", {
  skip,
}, async (t) => {
  if (!parts.found) throw new Error(parts.reason);
  const host = new Host(t);
  const dir = mkdtempSync(join(tmpdir(), "xs-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const server = await startXenstored({ kind: "c", dir, parts });
  t.after(() => server.stop());

  const refused = await resultOf(await host.start("xenlog", server.socketPath, "list"));
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /xenstored answers at \/dev\/xen\/xenbus and no xenlogd at/);

  const daemon = await host.start("xenlogd", server.socketPath, "--config", "/dev/null");
  let events = "";
  daemon.stderr?.on("data", (chunk) => {
    events += chunk;
  });
  await waitFor("a connection", () => events.includes('"socketPath":"/dev/xen/xenbus"'));
  const create = ["create", "--global", "--log", "demo"];
  const created = await resultOf(await host.start("xenlog", server.socketPath, ...create));
  assert.deepEqual([created.code, created.stderr], [0, ""]);
  const run = ["run", "--global", "--log", "said", "--", "echo", "over the device"];
  const ran = await resultOf(await host.start("xenlog", server.socketPath, ...run));
  assert.equal(ran.code, 0, ran.stderr);
  const log = join(host.directory, "log/xenlogd/host-said.log");
  assert.equal(readFileSync(log, "utf8"), "over the device\n");
  const close = ["close", "host", "demo"];
  const closed = await resultOf(await host.start("xenlog", server.socketPath, ...close));
  assert.equal(closed.code, 0, closed.stderr);
});
