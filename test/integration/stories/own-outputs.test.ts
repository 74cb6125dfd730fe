// SPDX-License-Identifier: Apache-2.0
// Our own outputs fail: it costs lines, which are counted, and nothing else.

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type ControlClient, controlClient } from "../../../src/control/index.ts";
import { makeFifo } from "../../../src/kernel/index.ts";
import { createLogfile } from "../../../src/toolstack/index.ts";
import { connectXenstore } from "../../../src/xenstore/index.ts";
import { processesIn, testDirectory, until, xenlog } from "../../support/cli.ts";
import { loseLines } from "../../support/lost-lines.ts";
import { ourProgram } from "../../support/target.ts";

interface Output {
  readonly fd: number;
  /** What a reader finds there now. */
  readonly read: () => string;
  /** Lines can be written again; not for those that never can. */
  readonly mend?: () => void;
  readonly close: () => void;
}

/** Where a daemon's standard error goes, and cannot. */
const outputs: Readonly<Record<string, { open(directory: string): Output; reason: string }>> = {
  "on a full disk": { open: fullDisk, reason: "no space left on the file system" },
  "with a reader that is gone": { open: goneReader, reason: "the reader is gone" },
  "with a reader that does not read": {
    open: (directory) => idleReader(directory, 0),
    reason: "the reader does not read",
  },
  "non-blocking, with a reader that does not read": {
    open: (directory) => idleReader(directory, constants.O_NONBLOCK),
    reason: "the reader does not read",
  },
};

describe("a daemon whose standard error is", { concurrency: 3 }, () => {
  for (const [name, { open, reason }] of Object.entries(outputs)) {
    it(`${name} loses lines, and counts them`, async () => {
      await using directory = testDirectory();
      const output = open(directory.path);
      try {
        await using daemon = await start(join(directory.path, "d"), output.fd);
        await daemon.createAndWrite("first");
        await loseLines(join(directory.path, "d"), daemon.control);
        assert.ok((await daemon.control.status()).lostLines > 0);
        if (output.mend !== undefined) {
          output.mend();
          await until(() => output.read().includes("LogLinesLost"), "the report");
          const { lostLines } = await daemon.control.status();
          const [line = ""] = output.read().match(/^{.*LogLinesLost.*$/m) ?? [];
          assert.deepEqual(
            { ...JSON.parse(line), time: "" },
            { level: "error", time: "", lines: lostLines, reason, msg: "LogLinesLost" },
          );
          await daemon.createAndWrite("second");
          await until(() => output.read().includes("StreamOpened"), "the next line");
        }
        assert.equal(await daemon.stop(), 0);
      } finally {
        output.close();
      }
      assert.deepEqual(processesIn(directory.path), []);
    });
  }

  it("closed from the start goes on, and nothing else gets its number", async () => {
    await using directory = testDirectory();
    await using daemon = await start(join(directory.path, "d"), "closed");
    await daemon.createAndWrite("closed");
    assert.equal(readlinkSync(`/proc/${daemon.mainPid}/fd/2`), "/dev/null");
    assert.equal(await daemon.stop(), 0);
  });

  it("a terminal that is closed goes on, and stops in order", async () => {
    await using directory = testDirectory();
    const path = join(directory.path, "d");
    const codeFile = join(directory.path, "code");
    const [node, program] = ourProgram("xenlogd");
    const line = `trap "" HUP; '${node}' '${program}' --dir '${path}'; echo $? >'${codeFile}'`;
    const inTerminal = ["-c", 'exec script -qc "$1" /dev/null', "sh", line];
    const terminal = spawn("sh", inTerminal, {
      stdio: ["pipe", "ignore", "inherit"],
      env: { ...process.env, SHELL: "/bin/sh" },
    });
    const control = controlClient(join(path, "run/control.sock"));
    const daemon = new Daemon(path, control, undefined);
    await until(async () => (await control.status().catch(() => undefined)) !== undefined, "it");
    terminal.kill("SIGKILL");
    await once(terminal, "exit");
    await daemon.createAndWrite("terminal");
    const { stderr } = await xenlog(["list", "--dir", path]);
    assert.match(stderr, /^xenlog: xenlogd could not write \d+ lines of its own log$/m);
    process.kill(daemon.mainPid, "SIGTERM");
    await until(() => existsSync(codeFile) && readFileSync(codeFile, "utf8") !== "", "its end");
    assert.equal(readFileSync(codeFile, "utf8"), "0\n");
  });
});

describe("xenlog", () => {
  it("ends quietly when the reader of its output is gone, and with 1 when that is full", async () => {
    const [node, program] = ourProgram("xenlog");
    const help = `'${node}' '${program}' --help`;
    const run = (line: string) => spawnSync("bash", ["-c", line], { encoding: "utf8" });
    const gone = run(`set -o pipefail; { sleep 0.01; ${help}; echo code=$? >&2; } | true`);
    assert.equal(gone.stderr, "code=0\n");
    const full = run(`${help} >/dev/full`);
    assert.equal(full.status, 1);
    assert.equal(
      full.stderr,
      "xenlog: standard output cannot be written: no space left on the file system\n",
    );
    assert.equal(run(`${help} >&-`).status, 0);
    const silent = run(`'${node}' '${program}' list --dir /nonexistent >/dev/full`);
    assert.equal(silent.status, 3, "nothing is printed there");
    assert.equal(run(`'${node}' '${program}' list --dir /nonexistent 2>/dev/full`).status, 3);
    assert.equal(run(`'${node}' '${program}' list --dir /nonexistent 2>&-`).status, 3);
  });

  it("run ends with COMMAND's code when its messages cannot be written", async () => {
    await using directory = testDirectory();
    const [node, program] = ourProgram("xenlog");
    const line = `'${node}' '${program}' run --dir '${directory.path}/d' -- sh -c 'echo x; exit 7' 2>/dev/full`;
    const { status } = spawnSync("bash", ["-c", line], { encoding: "utf8" });
    assert.equal(status, 7);
  });
});

class Daemon implements AsyncDisposable {
  readonly control: ControlClient;
  readonly #path: string;
  readonly #child: ChildProcess | undefined;

  constructor(path: string, control: ControlClient, child: ChildProcess | undefined) {
    this.#path = path;
    this.control = control;
    this.#child = child;
  }

  get mainPid(): number {
    return Number(readFileSync(join(this.#path, "run/xenlogd.pid"), "utf8"));
  }

  async createAndWrite(name: string): Promise<void> {
    const socketPath = join(this.#path, "run/xenstored.sock");
    await using xenstore = await connectXenstore({ socketPath });
    const handle = await createLogfile({
      xenstore,
      global: true,
      file: join(this.#path, `log/${name}.log`),
      fifoDirectory: join(this.#path, "run/fifo"),
      limitBytes: 65_536,
      copies: 1,
    });
    const fd = handle.open();
    writeSync(fd, `${name}\n`);
    closeSync(fd);
    await until(() => readFileSync(handle.file, "utf8") === `${name}\n`, "the line");
    await handle.close();
  }

  async stop(): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null) return null;
    child.kill("SIGTERM");
    await once(child, "exit");
    return child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** `closed`: it gets no standard error. */
async function start(path: string, stderr: number | "closed"): Promise<Daemon> {
  const [node, program] = ourProgram("xenlogd");
  const words = [node, program, "--dir", path, "--notify-fd", "3"];
  const [command = "", ...args] =
    stderr === "closed" ? ["sh", "-c", 'exec "$@" 2>&-', "sh", ...words] : words;
  const child = spawn(command, args, {
    stdio: ["ignore", "ignore", stderr === "closed" ? "ignore" : stderr, "pipe"],
    env: { ...process.env, XENLOGD_CONFIG: "" },
  });
  const notices = child.stdio[3];
  assert.ok(notices !== null && notices !== undefined && "setEncoding" in notices);
  const signal = AbortSignal.timeout(20_000);
  const [notice] = await once(notices.setEncoding("utf8"), "data", { signal });
  assert.match(String(notice), /ready/);
  return new Daemon(path, controlClient(join(path, "run/control.sock")), child);
}

/** `/dev/full` would never have room again; without root it is that nevertheless. */
function fullDisk(directory: string): Output {
  if (process.getuid?.() !== 0) return { ...opened("/dev/full", "w"), read: () => "" };
  const disk = join(directory, "disk");
  mkdirSync(disk);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "xenlogd-test", disk]);
  const file = join(disk, "stderr");
  const { fd } = opened(file, "a");
  const filler = join(disk, "filler");
  spawnSync("sh", ["-c", 'cat /dev/zero >"$1" 2>/dev/null', "sh", filler]);
  return {
    fd,
    read: () => readFileSync(file, "utf8"),
    mend: () => rmSync(filler),
    close: () => {
      closeSync(fd);
      execFileSync("umount", [disk]);
    },
  };
}

function goneReader(directory: string): Output {
  const { fd, readFd, close } = pipeIn(directory, 0);
  closeSync(readFd);
  return { fd, read: () => "", close };
}

function idleReader(directory: string, flags: number): Output {
  const { fd, readFd, path, close } = pipeIn(directory, flags);
  const filling = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    for (;;) writeSync(filling, Buffer.alloc(4096, "\n"));
  } catch {
    // It is full.
  }
  closeSync(filling);
  let text = "";
  let isReading = false;
  const take = (): string => {
    const buffer = Buffer.alloc(1 << 17);
    try {
      if (isReading) text += buffer.toString("utf8", 0, readSync(readFd, buffer));
    } catch {
      // There is nothing now.
    }
    return text;
  };
  return {
    fd,
    read: take,
    mend: () => {
      isReading = true;
    },
    close: () => {
      close();
      closeSync(readFd);
    },
  };
}

function pipeIn(directory: string, flags: number) {
  const path = join(directory, "pipe");
  makeFifo(path, 0o600);
  const readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return { readFd, path, ...opened(path, constants.O_WRONLY | flags) };
}

function opened(path: string, flags: string | number): Pick<Output, "fd" | "close"> {
  const fd = openSync(path, flags);
  return { fd, close: () => closeSync(fd) };
}
