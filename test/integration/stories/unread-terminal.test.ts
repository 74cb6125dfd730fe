// SPDX-License-Identifier: Apache-2.0
// Nobody reads the terminal that our messages go to (^S, a hung ssh): that costs lines of programs that
// run for long, and nothing else; a command that ends soon waits for its reader.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type ControlClient, controlClient } from "../../../src/control/index.ts";
import { isWritable } from "../../../src/kernel/index.ts";
import { processesIn, readOrEmpty, testDirectory, until, xenlog } from "../../support/cli.ts";
import { loseLines } from "../../support/lost-lines.ts";
import { ourProgram } from "../../support/target.ts";
import {
  terminalProgram,
  type UnreadTerminal,
  unreadTerminal,
} from "../../support/unread-terminal.ts";

const skip = terminalProgram.found ? false : terminalProgram.reason;
const timeout = 120_000;

describe("on a terminal that nobody reads", { concurrency: 3, skip }, () => {
  it("a daemon serves, replaces its pump and stops in order", { timeout }, async () => {
    await using directory = testDirectory();
    await using terminal = await unreadTerminal();
    const daemon = await startDaemon(directory.path, terminal);
    await loseLines(directory.path, daemon.control);
    const [pump] = pumpsOf(daemon.child);
    assert.ok(pump !== undefined);
    process.kill(pump, "SIGKILL");
    await until(() => pumpsOf(daemon.child).some((pid) => pid !== pump), "the next pump");
    await runTrue(directory.path, "after");
    const { stdout } = await xenlog(["list", "--all", "--dir", directory.path]);
    assert.match(stdout, /^after\b/m);
    assert.ok(terminal.isBlocking(), "the terminal is not ours alone");
    daemon.child.kill("SIGTERM");
    await ended(daemon.child);
    assert.equal(daemon.child.exitCode, 0);
    assert.deepEqual(processesIn(directory.path), []);
  });

  it("a daemon says later how many lines it has lost", { timeout }, async () => {
    await using directory = testDirectory();
    await using terminal = await unreadTerminal();
    const daemon = await startDaemon(directory.path, terminal);
    await loseLines(directory.path, daemon.control);
    terminal.read();
    await until(() => /"msg":"LogLinesLost"}\r?\n/.test(terminal.text()), "the report");
    const [, line = ""] = /({"level":"error".*"msg":"LogLinesLost"})/.exec(terminal.text()) ?? [];
    assert.ok(Number((JSON.parse(line) as { lines: number }).lines) > 0, line);
    daemon.child.kill("SIGTERM");
    await ended(daemon.child);
  });

  it("run ends with COMMAND's exit code", { timeout }, async () => {
    await using directory = testDirectory();
    await using terminal = await unreadTerminal();
    await terminal.fillAlmost();
    const end = join(directory.path, "end");
    const command = `until [ -e '${end}' ]; do sleep 0.02; done; exit 7`;
    const args = ["run", "--dir", directory.path, "--", "sh", "-c", command];
    const run = start("xenlog", args, terminal.fd);
    await until(() => !isWritable(terminal.fd), "enough live lines");
    writeFileSync(end, "");
    await ended(run);
    assert.equal(run.exitCode, 7);
    assert.ok(terminal.isBlocking(), "the terminal is not ours alone");
  });

  it("a command that ends soon waits, and all that it says is read", { timeout }, async () => {
    await using terminal = await unreadTerminal();
    await terminal.fillAlmost();
    // More than the 4096 bytes that a reading side takes in by itself.
    const option = `--${"s".repeat(20_000)}`;
    const list = start("xenlog", ["list", option], terminal.fd);
    await until(() => !isWritable(terminal.fd), "the beginning of the message");
    terminal.read();
    await ended(list);
    assert.equal(list.exitCode, 2);
    await until(() => /s{20000}'; see xenlog help list\r?\n$/.test(terminal.text()), "all of it");
  });
});

interface Daemon {
  readonly child: ChildProcess;
  readonly control: ControlClient;
}

async function startDaemon(directory: string, terminal: UnreadTerminal): Promise<Daemon> {
  await terminal.fillAlmost();
  const child = start("xenlogd", ["--embedded", "--dir", directory], terminal.fd);
  const control = controlClient(join(directory, "run/control.sock"));
  const answers = (): Promise<boolean> => control.status().then(Boolean, () => false);
  await until(answers, "the daemon");
  return { child, control };
}

function start(name: "xenlog" | "xenlogd", args: readonly string[], stderr: number): ChildProcess {
  const [node, program] = ourProgram(name);
  const env = { ...process.env, XENLOGD_CONFIG: "" };
  return spawn(node, [program, ...args], { stdio: ["ignore", "ignore", stderr], env });
}

async function runTrue(directory: string, name: string): Promise<void> {
  const { code, stderr } = await xenlog(["run", "--dir", directory, "--name", name, "--", "true"]);
  assert.equal(code, 0, stderr);
}

/** Our programs need a second; a loaded machine more. */
async function ended(child: ChildProcess): Promise<void> {
  await until(() => child.exitCode !== null || child.signalCode !== null, "its end");
}

function pumpsOf({ pid }: ChildProcess): readonly number[] {
  const children = readOrEmpty(`/proc/${pid}/task/${pid}/children`).trim().split(" ");
  return children
    .map(Number)
    .filter((child) => /bin\/pump\./.test(readOrEmpty(`/proc/${child}/cmdline`)));
}
