// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import {
  bytesReadable,
  KernelError,
  makeFifo,
  makePipe,
  O_PATH,
  openBeneath,
  openPath,
  pipeSize,
  renameAt,
  resizePipe,
  seekToEnd,
  splice,
  statAt,
  tee,
  tryLock,
  unlinkAt,
  watchReadable,
} from "../../../src/kernel/index.ts";
import { identifyProcess, isAlive } from "../../../src/program/index.ts";

const root = mkdtempSync(join(tmpdir(), "xenlogd-kernel-"));
const rootFd = openPath(root, O_PATH | constants.O_DIRECTORY);
after(() => {
  closeSync(rootFd);
  rmSync(root, { recursive: true });
});

function failsWith(code: string, call: () => unknown): void {
  assert.throws(call, (error) => error instanceof KernelError && error.code === code);
}

describe("opening beneath a directory", () => {
  mkdirSync(join(root, "sub"));
  symlinkSync("/etc", join(root, "link"));
  writeFileSync(join(root, "sub/file"), "");
  const cases: [string, string | undefined][] = [
    ["sub/file", undefined],
    ["sub/../sub/file", undefined],
    ["../x", "EXDEV"],
    ["/etc/passwd", "EXDEV"],
    ["link/passwd", "ELOOP"],
    ["sub/missing", "ENOENT"],
    ["sub/file/x", "ENOTDIR"],
  ];
  for (const [path, code] of cases) {
    it(`${path} ${code === undefined ? "works" : `is ${code}`}`, () => {
      const open = (): number => openBeneath(rootFd, path, constants.O_RDONLY);
      if (code === undefined) closeSync(open());
      else failsWith(code, open);
    });
  }

  it("names the call, the path and the reason", () => {
    assert.throws(() => openBeneath(rootFd, "sub/missing", constants.O_RDONLY), {
      message: "openat2 sub/missing failed: it does not exist (ENOENT)",
    });
  });
});

describe("names relative to a directory", () => {
  it("are renamed, looked at and removed", () => {
    writeFileSync(join(root, "a"), "12345");
    renameAt(rootFd, "a", "b");
    assert.equal(statAt(rootFd, "a"), undefined);
    assert.equal(statAt(rootFd, "b")?.size, 5);
    unlinkAt(rootFd, "b");
    failsWith("ENOENT", () => unlinkAt(rootFd, "b"));
  });
});

describe("pipes", () => {
  it("move bytes to a file at its position, and no more than asked for", () => {
    const pipe = makePipe();
    const file = openBeneath(rootFd, "out", constants.O_RDWR | constants.O_CREAT, 0o600);
    writeSync(pipe.writeFd, "hello world");
    assert.equal(splice(pipe.readFd, file, 5), 5);
    assert.equal(bytesReadable(pipe.readFd), 6);
    assert.equal(splice(pipe.readFd, file, 100), 6);
    assert.equal(splice(pipe.readFd, file, 100), "wouldBlock");
    closeSync(pipe.writeFd);
    assert.equal(splice(pipe.readFd, file, 100), 0, "end of file");
    assert.equal(seekToEnd(file), 11);
    closeSync(pipe.readFd);
    closeSync(file);
    assert.equal(readFileSync(join(root, "out"), "latin1"), "hello world");
  });

  it("are looked into without being consumed", () => {
    const [from, to] = [makePipe(), makePipe()];
    writeSync(from.writeFd, "abc");
    assert.equal(tee(from.readFd, to.writeFd, 2), 2);
    assert.equal(bytesReadable(from.readFd), 3);
    assert.equal(bytesReadable(to.readFd), 2);
    for (const fd of [from.readFd, from.writeFd, to.readFd, to.writeFd]) closeSync(fd);
  });

  it("say what size they have after a refusal", () => {
    const pipe = makePipe();
    assert.equal(resizePipe(pipe.readFd, 1 << 20), 1 << 20);
    writeSync(pipe.writeFd, Buffer.alloc(200_000));
    assert.equal(resizePipe(pipe.readFd, 65_536), 1 << 20, "it holds more than that");
    assert.equal(pipeSize(pipe.readFd), 1 << 20);
    closeSync(pipe.readFd);
    closeSync(pipe.writeFd);
  });

  it("that are polled keep calling until they are empty, and stop when told", async () => {
    const pipe = makePipe();
    writeSync(pipe.writeFd, "abc");
    const nullFd = openPath("/dev/null", constants.O_WRONLY);
    let calls = 0;
    await new Promise<void>((resolve) => {
      const readiness = watchReadable(pipe.readFd, () => {
        calls += 1;
        splice(pipe.readFd, nullFd, 1);
        if (calls < 3) return;
        readiness.close();
        resolve();
      });
    });
    assert.equal(bytesReadable(pipe.readFd), 0);
    for (const fd of [pipe.readFd, pipe.writeFd, nullFd]) closeSync(fd);
  });
});

describe("a FIFO's name", () => {
  it("is taken once", () => {
    makeFifo(join(root, "fifo"), 0o600);
    failsWith("EEXIST", () => makeFifo(join(root, "fifo"), 0o600));
  });
});

describe("a lock", () => {
  it("is one holder's at a time, or several readers'", () => {
    const open = (): number =>
      openPath(join(root, "lock"), constants.O_RDWR | constants.O_CREAT, 0o600);
    const [first, second, third] = [open(), open(), open()];
    assert.equal(tryLock(first, "exclusive"), true);
    assert.equal(tryLock(second, "exclusive"), false);
    assert.equal(tryLock(second, "shared"), false);
    closeSync(first);
    assert.equal(tryLock(second, "shared"), true);
    assert.equal(tryLock(third, "shared"), true);
    assert.equal(tryLock(third, "exclusive"), false);
    closeSync(second);
    closeSync(third);
  });
});

describe("a process", () => {
  it("is told from a later one with its pid, and from a zombie", async () => {
    const child = spawn("sleep", ["60"]);
    await once(child, "spawn");
    const identity = identifyProcess(child.pid ?? 0);
    assert.ok(identity !== undefined && isAlive(identity));
    assert.ok(!isAlive({ ...identity, startTicks: "1" }));
    assert.ok(!isAlive({ ...identity, bootId: "another" }));
    child.kill("SIGKILL");
    await once(child, "exit");
    assert.ok(!isAlive(identity));
    assert.equal(identifyProcess(0), undefined);
  });
});
