// SPDX-License-Identifier: Apache-2.0
// A daemon that cannot start says why in one sentence, and leaves nothing behind.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileSystemOf, readMounts } from "../../../src/daemon/pumps/file-systems.ts";
import {
  leftBehind,
  processesIn,
  testDirectory,
  type XenlogResult,
  xenlog,
} from "../../support/cli.ts";
import { TestDaemon } from "../../support/daemon.ts";

function xenlogd(directory: string, ...args: string[]): Promise<XenlogResult> {
  return xenlog(["--embedded", "--dir", directory, ...args], { name: "xenlogd" });
}

/** One sentence, one code, no process, no file. */
function assertRefused(result: XenlogResult, directory: string, code: number, said: string): void {
  assert.deepEqual({ code: result.code, stderr: lastLine(result.stderr) }, { code, stderr: said });
  assert.deepEqual(processesIn(directory), []);
  assert.deepEqual(leftBehind(directory), []);
}

/** The daemon's own log is JSON; what it says to people is the last line. */
function lastLine(text: string): string {
  const lines = text.trimEnd().split("\n");
  assert.ok(
    lines.slice(0, -1).every((line) => line.startsWith("{")),
    text,
  );
  return lines.at(-1) ?? "";
}

describe("a daemon that cannot start", () => {
  it("because another has the directory exits with 7 and names it", async () => {
    await using first = await TestDaemon.start();
    const result = await xenlogd(first.directory);
    assert.equal(result.code, 7);
    assert.equal(
      lastLine(result.stderr),
      `xenlogd: another xenlogd runs here already: pid ${first.mainPid}`,
    );
    assert.deepEqual(await first.control.streams({ all: true }), [], "the first is well");
  });

  it("because its log directory is a file says so", async () => {
    await using directory = testDirectory();
    const { path } = directory;
    writeFileSync(join(path, "log"), "");
    const result = await xenlogd(path);
    rmSync(join(path, "log"));
    assertRefused(
      result,
      path,
      1,
      `xenlogd: the log directory ${path}/log is not a directory; choose another directory with --dir`,
    );
    assert.ok(!existsSync(join(path, "run")) && !existsSync(join(path, "state")));
  });

  it("because a directory on the way is a link to nothing says so", async () => {
    await using directory = testDirectory();
    const link = join(directory.path, "link");
    symlinkSync("nowhere", link);
    for (const path of [link, join(link, "below")]) {
      const result = await xenlogd(path);
      assert.equal(result.code, 1);
      assert.equal(
        lastLine(result.stderr),
        `xenlogd: ${link} is a link to nowhere, which is not there; choose another directory with --dir`,
      );
      assert.deepEqual(readdirSync(directory.path), ["link"]);
    }
  });

  it("because its log directory is read-only says so", async () => {
    await using directory = testDirectory();
    const { path } = directory;
    mkdirSync(join(path, "log"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "ro", "none", join(path, "log")]);
    try {
      const said = `xenlogd: the log directory ${path}/log cannot be written: the file system is read-only; choose another directory with --dir`;
      assertRefused(await xenlogd(path), path, 1, said);
    } finally {
      execFileSync("umount", [join(path, "log")]);
    }
  });

  it("because its directory is a file says so", async () => {
    await using directory = testDirectory();
    const file = join(directory.path, "file");
    writeFileSync(file, "");
    const result = await xenlogd(file);
    assert.equal(result.code, 1);
    assert.equal(result.stderr, `xenlogd: ${file} is not a directory\n`);
    assert.equal(readFileSync(file, "utf8"), "");
  });

  it("because its directory is too long for a socket says so", async () => {
    await using directory = testDirectory();
    const long = join(directory.path, "d".repeat(120));
    const bytes = Buffer.byteLength(join(long, "run/xenstored.sock"));
    const result = await xenlogd(long);
    assert.equal(result.code, 1);
    assert.equal(
      result.stderr,
      `xenlogd: the directory ${long} is too long: the socket path below it would have ${bytes} bytes, ` +
        "and 107 is the most a socket address can hold\n",
    );
    assert.ok(!existsSync(long));
  });

  it("because its pump cannot start says why, and takes everything down", async () => {
    await using directory = testDirectory();
    const { path } = directory;
    const pool = fileSystemOf(join(path, "log"), readMounts());
    const lock = join(path, "state/table", `pump-${pool}.lock`);
    mkdirSync(lock, { recursive: true });
    const said =
      `xenlogd: the pump for ${path}/log cannot start: it ended with code 1: ` +
      `open ${lock} failed: it is a directory (EISDIR)`;
    assertRefused(await xenlogd(path), path, 1, said);
    // Through run it is the same sentence with run's own code, and no log of the command.
    const run = await xenlog(["run", "--dir", path, "--", "true"]);
    assert.equal(run.code, 125);
    assert.equal(run.stderr, said.replace("xenlogd:", "xenlog:").concat("\n"));
    assert.deepEqual(leftBehind(path), []);
    assert.ok(!existsSync(join(path, "log")));
  });

  it("because one of its files is something else says which", async () => {
    for (const [name, call] of [
      ["run/xenlogd.pid", "open"],
      ["run/control.sock", "unlink"],
    ] as const) {
      await using directory = testDirectory();
      const { path } = directory;
      const file = join(path, name);
      mkdirSync(file, { recursive: true });
      const reason = `${call} ${file} failed: it is a directory (EISDIR)`;
      const said = `xenlogd: ${reason}; choose another directory with --dir`;
      assertRefused(await xenlogd(path), path, 1, said);
    }
  });

  it("because of its command line exits with 2", async () => {
    const result = await xenlog(["--nonsense"], { name: "xenlogd" });
    assert.equal(result.code, 2);
    assert.equal(result.stderr, "xenlogd: unknown option '--nonsense'; see xenlogd --help\n");
    const help = await xenlog(["--help"], { name: "xenlogd" });
    assert.match(help.stdout, /^Exit codes:\n {2}0 .*\n {2}1 .* 7 /m);
  });
});
