// SPDX-License-Identifier: Apache-2.0
// `xenlog run` with the real daemon: what COMMAND sees, what its caller sees, what stays.

import assert from "node:assert/strict";
import {
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import {
  leftBehind,
  processesIn,
  readOrEmpty,
  spawnXenlog,
  testDirectory,
  until,
  xenlog,
} from "../../support/cli.ts";

/** The log's files, oldest first, as one. */
function readLog(directory: string, name: string): Buffer {
  const files = readdirSync(join(directory, "log")).filter((file) => file.startsWith(name));
  const number = (file: string): number => Number(/\.log\.(\d+)$/.exec(file)?.[1] ?? 0);
  files.sort((a, b) => number(b) - number(a));
  return Buffer.concat(files.map((file) => readFileSync(join(directory, "log", file))));
}

function assertNothingRuns(directory: string): void {
  assert.deepEqual(processesIn(directory), []);
  const left = leftBehind(directory).filter((path) => !path.startsWith("log/"));
  assert.deepEqual(left, []);
}

describe("xenlog run", () => {
  it("keeps the newest output within the bound and passes the exit code", async () => {
    await using directory = testDirectory();
    const args = ["--name", "demo", "--limit", "64KiB", "--copies", "3", "--dir", directory.path];
    const result = await xenlog(["run", ...args, "--", "sh", "-c", "seq 1 200000; exit 3"]);
    const file = join(directory.path, "log/demo-console.log");
    assert.match(
      result.stderr,
      new RegExp(
        `^xenlog: demo/console ${file} kept=\\d+ written=1288895 dropped=0 rotations=\\d+\n$`,
      ),
    );
    assert.deepEqual([result.code, result.stdout], [3, ""]);
    for (const name of ["", ".1", ".2", ".3"]) assert.ok(statSync(file + name).size <= 65536);
    assert.equal(existsSync(`${file}.4`), false);
    const log = readLog(directory.path, "demo-console.log").toString();
    const lines = log.trimEnd().split("\n").map(Number);
    assert.equal(lines.at(-1), 200_000);
    assert.ok(lines.every((line, index) => line === 200_000 - lines.length + index + 1));
    const kept = Number(/kept=(\d+)/.exec(result.stderr)?.[1]);
    assert.equal(kept, log.length);
    assertNothingRuns(directory.path);
  });

  it("ends in one object with --json, with the names of list --json and COMMAND's exit code", async () => {
    await using directory = testDirectory();
    const args = ["--json", "run", "--name", "demo", "--dir", directory.path];
    const { code, stdout, stderr } = await xenlog([
      ...args,
      "--",
      "sh",
      "-c",
      "echo hello; exit 3",
    ]);
    assert.deepEqual([code, stdout, stderr.split("\n").length], [3, "", 2]);
    const { epoch, ...others } = JSON.parse(stderr) as Record<string, unknown>;
    assert.match(String(epoch), /^[0-9a-f]{16}$/);
    assert.deepEqual(others, {
      domid: 1,
      name: "demo",
      log: "console",
      file: join(directory.path, "log/demo-console.log"),
      sizeBytes: 6,
      writtenBytes: 6,
      droppedBytes: {},
      rotations: 0,
      exitCode: 3,
    });
  });

  it("gives COMMAND our stdin and its words as they are", async () => {
    await using directory = testDirectory();
    const script = 'cat; printf "%s|" "$0" "$@"';
    const words = ["sh", "-c", script, "zero", "a b", "", "--json", "--"];
    const result = await xenlog(["run", "--dir", directory.path, "--", ...words], {
      stdin: "from stdin\n",
    });
    assert.equal(result.code, 0, result.stderr);
    const log = readLog(directory.path, "sh-console.log").toString();
    assert.equal(log, "from stdin\nzero|a b||--json|--|");
  });

  it("opens stdout and stderr separately, both O_RDWR", async () => {
    await using directory = testDirectory();
    // dd sets O_NONBLOCK on the description behind its stdout, and only there.
    const script =
      "dd if=/dev/null oflag=nonblock 2>/dev/null; grep -h flags /proc/self/fdinfo/1 /proc/self/fdinfo/2";
    const { code } = await xenlog(["run", "--dir", directory.path, "--", "sh", "-c", script]);
    assert.equal(code, 0);
    const log = readLog(directory.path, "sh-console.log").toString();
    const flags = [...log.matchAll(/\t([0-7]+)/g)].map(([, octal = ""]) =>
      Number.parseInt(octal, 8),
    );
    const { O_NONBLOCK, O_RDWR } = constants;
    assert.deepEqual(
      flags.map((value) => value & (O_NONBLOCK | 0o3)),
      [O_NONBLOCK | O_RDWR, O_RDWR],
    );
  });

  it("is 128 and the signal when a signal ends COMMAND", async () => {
    await using directory = testDirectory();
    const { code } = await xenlog(["run", "--dir", directory.path, "--", "sh", "-c", "kill -9 $$"]);
    assert.equal(code, 137);
    assertNothingRuns(directory.path);
  });

  for (const [signal, exit] of [
    ["SIGTERM", 21],
    ["SIGINT", 22],
    ["SIGHUP", 23],
    ["SIGUSR1", 24],
    ["SIGUSR2", 25],
    ["SIGQUIT", 26],
  ] as const) {
    it(`passes ${signal} to COMMAND and ends when COMMAND does`, async () => {
      await using directory = testDirectory();
      const script = `trap 'echo got it; exit ${exit}' ${signal.slice(3)}; echo ready; while :; do sleep 0.01; done`;
      const running = spawnXenlog(["run", "--dir", directory.path, "--", "sh", "-c", script]);
      const file = join(directory.path, "log/sh-console.log");
      await until(() => readOrEmpty(file) === "ready\n", "COMMAND is ready");
      process.kill(running.pid, signal);
      const { code, stderr } = await running.exited;
      assert.equal(code, exit, stderr);
      assert.equal(readOrEmpty(file), "ready\ngot it\n");
      assertNothingRuns(directory.path);
    });
  }

  it("ends at a signal before COMMAND, and leaves nothing", async () => {
    await using directory = testDirectory();
    const marker = join(directory.path, "started");
    const running = spawnXenlog(["run", "--dir", directory.path, "--", "touch", marker]);
    await until(() => existsSync(join(directory.path, "state/start.lock")), "it starts a daemon");
    process.kill(running.pid, "SIGTERM");
    const { code } = await running.exited;
    // It may have been too late: then COMMAND has run to its end.
    assert.equal(code, existsSync(marker) ? 0 : 143);
    await until(() => processesIn(directory.path).length === 0, "everything is gone");
  });

  it("waits 2 s for what COMMAND leaves behind, and names it", async () => {
    await using directory = testDirectory();
    const startedAt = performance.now();
    const script = `exec 3>&1; sh -c 'while :; do sleep 0.05; done; : ${directory.path}' & echo bye`;
    const { code, stderr } = await xenlog([
      "run",
      "--dir",
      directory.path,
      "--",
      "sh",
      "-c",
      script,
    ]);
    assert.equal(code, 0);
    assert.match(
      stderr,
      /^xenlog: sh\/console is still held open by (sh|sleep) \(pid \d+\).*, and is no longer waited for: xenlogd stays until it is closed\nxenlog: sh\/console .* written=4 /,
    );
    assert.ok(performance.now() - startedAt > 2000);
  });

  it("gives a second COMMAND of the same name a domain of its own", async () => {
    await using directory = testDirectory();
    const wait = ["sh", "-c", "echo here; read line"];
    const log = (name: string): string =>
      readOrEmpty(join(directory.path, `log/${name}-console.log`));
    const first = spawnXenlog(["run", "--dir", directory.path, "--", ...wait], { stdin: "" });
    const [a, b] = await Promise.all([
      first.exited,
      xenlog(["run", "--dir", directory.path, "--", ...wait], { stdin: "" }),
    ]);
    assert.deepEqual([a.code, b.code], [1, 1], a.stderr + b.stderr);
    const both = log("sh") + log("sh-2");
    assert.equal(both, "here\nhere\n");
    assertNothingRuns(directory.path);
  });

  it("refuses a second COMMAND for the same log", async () => {
    await using directory = testDirectory();
    const args = ["run", "--dir", directory.path, "--name", "demo", "--"];
    const first = spawnXenlog([...args, "sh", "-c", "echo here; exec sleep 60"]);
    await until(
      () => readOrEmpty(join(directory.path, "log/demo-console.log")) === "here\n",
      "the first one runs",
    );
    assert.deepEqual(await xenlog([...args, "true"]), {
      code: 125,
      signal: null,
      stdout: "",
      stderr: "xenlog: demo/console is being logged already: choose another --log or --name\n",
    });
    const other = await xenlog(["run", "--log", "other", ...args.slice(1), "echo", "there"]);
    assert.equal(other.code, 0, other.stderr);
    assert.equal(readOrEmpty(join(directory.path, "log/demo-other.log")), "there\n");
    first.child.kill("SIGTERM");
    assert.equal((await first.exited).code, 143);
    assertNothingRuns(directory.path);
  });

  it("goes on when the daemon is killed, also at the moment when COMMAND ends", async () => {
    await using directory = testDirectory();
    const pidFile = join(directory.path, "run/xenlogd.pid");
    const script = `echo one; read line; echo two; kill -9 $(cat ${pidFile}); echo three`;
    const running = spawnXenlog(["run", "--dir", directory.path, "--", "sh", "-c", script], {
      stdin: "go\n",
    });
    const { code, stderr } = await running.exited;
    assert.equal(code, 0, stderr);
    assert.equal(readOrEmpty(join(directory.path, "log/sh-console.log")), "one\ntwo\nthree\n");
    assert.match(stderr, / kept=14 written=14 dropped=0 rotations=0\n$/);
    assertNothingRuns(directory.path);
  });
});

describe("xenlog run that cannot", () => {
  const refusal = (sentence: string, code = 125): object => ({
    code,
    signal: null,
    stdout: "",
    stderr: `xenlog: ${sentence}\n`,
  });

  it("is 127 without COMMAND, 126 with one that is no program, and makes nothing", async () => {
    await using directory = testDirectory();
    const into = join(directory.path, "new");
    const text = join(directory.path, "text");
    writeFileSync(text, "no program", { mode: 0o644 });
    const run = (command: string): Promise<object> => xenlog(["run", "--dir", into, "--", command]);
    assert.deepEqual(await run("nope"), refusal("nope: command not found", 127));
    assert.deepEqual(await run(text), refusal(`${text}: cannot execute: permission denied`, 126));
    assert.equal(existsSync(into), false);
  });

  it("is 126 for a script whose interpreter is missing, with everything taken down", async () => {
    await using directory = testDirectory();
    const script = join(directory.path, "script");
    writeFileSync(script, "#!/nonexistent/interpreter\n", { mode: 0o755 });
    assert.deepEqual(
      await xenlog(["run", "--dir", directory.path, "--", script]),
      refusal(`${script}: cannot execute: its interpreter does not exist`, 126),
    );
    assertNothingRuns(directory.path);
  });

  it("says that the directory is a file, or too long for a socket", async () => {
    await using directory = testDirectory();
    const file = join(directory.path, "file");
    writeFileSync(file, "");
    const run = (into: string): Promise<object> => xenlog(["run", "--dir", into, "--", "true"]);
    assert.deepEqual(await run(file), refusal(`${file} is not a directory`));
    assert.deepEqual(await run(join(file, "x")), refusal(`${file} is not a directory`));
    const long = join(directory.path, "x".repeat(100));
    assert.deepEqual(
      await run(long),
      refusal(
        `the directory ${long} is too long: the socket path below it would have ${long.length + 19} bytes, and 107 is the most a socket address can hold`,
      ),
    );
    assert.equal(existsSync(long), false);
  });

  it("says that the state directory cannot be made", async () => {
    await using directory = testDirectory();
    writeFileSync(join(directory.path, "state"), "");
    assert.deepEqual(
      await xenlog(["run", "--dir", directory.path, "--", "true"]),
      refusal(
        `cannot make ${directory.path}/state: ${directory.path}/state is not a directory; choose another directory with --dir`,
      ),
    );
  });

  it("says which of its files cannot be used", async () => {
    for (const [verb, name] of [
      ["lock", "clients.lock"],
      ["lock", "start.lock"],
      ["open", "xenlogd.out"],
    ] as const) {
      await using directory = testDirectory();
      const file = join(directory.path, "state", name);
      mkdirSync(file, { recursive: true });
      const reason = "it is a directory; choose another directory with --dir";
      assert.deepEqual(
        await xenlog(["run", "--dir", directory.path, "--", "true"]),
        refusal(`cannot ${verb} ${file}: ${reason}`),
      );
    }
  });

  it("passes on what the daemon says of its log directory", async () => {
    await using directory = testDirectory();
    writeFileSync(join(directory.path, "log"), "");
    const { code, stderr } = await xenlog(["run", "--dir", directory.path, "--", "true"]);
    assert.equal(code, 125);
    assert.match(stderr, new RegExp(`^xenlog: [^\n]*${directory.path}/log[^\n]*\n$`));
    assert.deepEqual(processesIn(directory.path), []);
    rmSync(join(directory.path, "log"));
    assert.deepEqual(leftBehind(directory.path), []);
  });

  it("passes on what the daemon says of a file outside its log directory", async () => {
    await using directory = testDirectory();
    const outside = join(directory.path, "outside.log");
    const args = ["run", "--dir", directory.path, "--file", outside, "--", "true"];
    const { code, stderr } = await xenlog(args);
    assert.equal(code, 125);
    assert.match(stderr, new RegExp(`^xenlog: [^\n]*${outside}[^\n]*\n$`));
    assertNothingRuns(directory.path);
    assert.deepEqual(leftBehind(directory.path), []);
  });

  it("asks for --name on a Xen host without a service, and starts nothing", async () => {
    await using directory = testDirectory();
    const socket = join(directory.path, "socket");
    const store = spawnXenlog(["xenstored", "--socket", socket, "-v"]);
    await until(() => store.stderr() !== "", "the store answers");
    const env = { XENSTORED_PATH: socket, XEN_RUN_DIR: directory.path };
    assert.deepEqual(
      await xenlog(["run", "--", "true"], { env }),
      refusal(
        `xenstored answers at ${socket} and no xenlogd at ${directory.path}/xenlogd/control.sock: start the service xenlogd, or use --dir for an embedded one`,
      ),
    );
    assert.deepEqual(readdirSync(directory.path), ["socket"]);
    store.child.kill("SIGTERM");
    assert.equal((await store.exited).code, 0);
  });

  it("uses the state directory of its user where nothing of Xen answers", async () => {
    await using directory = testDirectory();
    const env = { XDG_STATE_HOME: directory.path };
    const { code, stderr } = await xenlog(["run", "--", "echo", "hello"], { env });
    assert.equal(code, 0, stderr);
    assert.equal(readOrEmpty(join(directory.path, "xenlogd/log/echo-console.log")), "hello\n");
    assertNothingRuns(join(directory.path, "xenlogd"));
  });
});
