// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import {
  closeSync,
  fstatSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { bytesReadable, makeFifo, makePipe, resizePipe } from "../../../src/kernel/index.ts";
import {
  type Durability,
  inspectLive,
  type Journal,
  LogDirectory,
  LogfileError,
  RotatingFile,
} from "../../../src/logfile/index.ts";

const directories: string[] = [];
function temporary(): string {
  const path = mkdtempSync(join(tmpdir(), "xenlogd-logfile-"));
  directories.push(path);
  return path;
}
after(() => {
  for (const path of directories) rmSync(path, { recursive: true });
});

const pipe = makePipe();
resizePipe(pipe.readFd, 1 << 20);

/** Appends through a pipe, as the pump does. */
function append(file: RotatingFile, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    const chunk = bytes.subarray(done, done + 65_536);
    writeSync(pipe.writeFd, chunk);
    assert.deepEqual(file.append(pipe.readFd, chunk.length), {
      movedBytes: chunk.length,
      refusal: undefined,
    });
    done += chunk.length;
  }
}

function open(
  root: string,
  limitBytes: number,
  copies: number,
  shortened: (fd: number) => void = () => {},
): RotatingFile {
  const directory = LogDirectory.open(root, "x.log");
  const live = inspectLive(directory, undefined);
  const durability: Pick<Durability, "finish" | "complete"> = {
    finish: closeSync,
    complete: shortened,
  };
  const bound = { limitBytes, copies };
  const allowedBytes = limitBytes * (copies + 1);
  const found = { live, what: "whole" as const, allowedBytes };
  return RotatingFile.open({ directory, journal, durability, bound }, found);
}

/** Nobody keeps account here. */
const journal: Journal = {
  begin: () => {},
  end: () => {},
  renewed: () => {},
  interfered: () => {},
};

/** The files oldest first, as one. */
function wholeLog(root: string, copies: number): Buffer {
  const names = Array.from({ length: copies + 1 }, (_, index) =>
    index === copies ? "x.log" : `x.log.${copies - index}`,
  );
  const present = new Set(readdirSync(root));
  return Buffer.concat(
    names.filter((name) => present.has(name)).map((name) => readFileSync(join(root, name))),
  );
}

describe("a rotating file", () => {
  // contract: C7, C8
  it("keeps the newest lines whole, within limit and copies", () => {
    const root = temporary();
    const file = open(root, 65_536, 3);
    const lines = Array.from({ length: 200_000 }, (_, index) => `${index + 1}\n`).join("");
    append(file, Buffer.from(lines));
    file.close();
    const log = wholeLog(root, 3).toString();
    assert.equal(readdirSync(root).length, 4);
    for (const name of readdirSync(root)) {
      assert.ok(statSync(join(root, name)).size <= 65_536);
      assert.ok(readFileSync(join(root, name), "latin1").endsWith("\n"), `${name} ends a line`);
    }
    assert.ok(lines.endsWith(log));
    assert.ok(log.length > 3 * 61_440);
  });

  it("cuts a line without end hard, at the limit to the byte", () => {
    const root = temporary();
    const file = open(root, 4096, 2);
    append(file, Buffer.alloc(10_000, "a"));
    file.close();
    assert.deepEqual(
      ["x.log", "x.log.1", "x.log.2"].map((name) => statSync(join(root, name)).size),
      [10_000 - 8192, 4096, 4096],
    );
  });

  it("keeps random bytes with NULs as they are", () => {
    const root = temporary();
    const file = open(root, 1 << 20, 1);
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7919) % 256));
    append(file, bytes);
    file.close();
    assert.ok(wholeLog(root, 1).equals(bytes));
  });

  it("keeps only the live file when copies is 0", () => {
    const root = temporary();
    const file = open(root, 4096, 0);
    append(file, Buffer.from("0123456\n".repeat(2000)));
    file.close();
    assert.deepEqual(readdirSync(root), ["x.log"]);
    assert.ok(statSync(join(root, "x.log")).size <= 4096);
  });

  it("appends to what is there", () => {
    const root = temporary();
    writeFileSync(join(root, "x.log"), "before\n");
    const file = open(root, 4096, 1);
    append(file, Buffer.from("after\n"));
    file.close();
    assert.equal(readFileSync(join(root, "x.log"), "utf8"), "before\nafter\n");
  });

  // contract: C34
  it("brings files that are too large or too many under the bound, keeping the last lines", () => {
    const root = temporary();
    const lines = Array.from({ length: 3000 }, (_, index) => `line ${index}\n`).join("");
    writeFileSync(join(root, "x.log"), lines);
    writeFileSync(join(root, "x.log.1"), lines);
    writeFileSync(join(root, "x.log.2"), "old\n");
    writeFileSync(join(root, "x.log.20"), "older\n");
    writeFileSync(join(root, "x.log.bak"), "not ours\n");
    const file = open(root, 4096, 1);
    file.close();
    assert.deepEqual(readdirSync(root).sort(), ["x.log", "x.log.1", "x.log.bak"]);
    const kept = readFileSync(join(root, "x.log"), "utf8");
    assert.ok(kept.length <= 4096 && kept.length > 4096 - 512);
    assert.ok(lines.endsWith(`\n${kept}`), "begins with a whole line");
  });

  it("removes what an interrupted shortening of its own files has left, and no other dot file", () => {
    const root = temporary();
    const kept = [".x.log.old.log.trim", ".x.log2.trim", ".x.log.01.trim", ".y.log.trim", "x.log"];
    for (const name of [".x.log.trim", ".x.log.12.trim", ...kept]) {
      writeFileSync(join(root, name), "");
    }
    open(root, 4096, 1).close();
    assert.deepEqual(readdirSync(root).sort(), kept.sort());
  });

  it("shows what it keeps of a file before that loses its name", () => {
    const root = temporary();
    writeFileSync(join(root, "x.log"), "line\n".repeat(3000));
    const shown: (readonly [kept: number, named: number])[] = [];
    const shortened = (fd: number): void => {
      shown.push([fstatSync(fd).size, statSync(join(root, "x.log")).size]);
    };
    open(root, 4096, 1, shortened).close();
    assert.deepEqual(shown, [[statSync(join(root, "x.log")).size, 15_000]]);
  });

  it("leaves in the pipe what the file system refuses, and goes on when it takes it", () => {
    const root = temporary();
    const file = open(root, 4096, 1);
    append(file, Buffer.alloc(4096, "a"));
    // The next byte needs a rotation, and its target is in the way.
    mkdirSync(join(root, "x.log.1"));
    writeFileSync(join(root, "x.log.1", "file"), "");
    writeSync(pipe.writeFd, "next");
    const { movedBytes, refusal } = file.append(pipe.readFd, 4);
    assert.equal(movedBytes, 0);
    assert.equal(refusal?.code, "EISDIR");
    assert.equal(bytesReadable(pipe.readFd), 4);
    rmSync(join(root, "x.log.1"), { recursive: true });
    assert.deepEqual(file.append(pipe.readFd, 4), { movedBytes: 4, refusal: undefined });
    file.close();
    assert.equal(readFileSync(join(root, "x.log"), "utf8"), "next");
  });

  const refused: [string, (root: string) => void, RegExp][] = [
    [
      "a symbolic link",
      (root) => symlinkSync("/etc/passwd", join(root, "x.log")),
      /^the log x\.log cannot be opened: a symbolic link is in the way$/,
    ],
    [
      "a file with a second name",
      (root) => {
        writeFileSync(join(root, "other"), "");
        linkSync(join(root, "other"), join(root, "x.log"));
      },
      /^the log x\.log has more than one hard link$/,
    ],
    [
      "a FIFO",
      (root) => makeFifo(join(root, "x.log"), 0o600),
      /^the log x\.log is not a regular file$/,
    ],
    [
      "a directory",
      (root) => mkdirSync(join(root, "x.log")),
      /^the log x\.log is not a regular file$/,
    ],
  ];
  for (const [what, make, sentence] of refused) {
    it(`refuses ${what} in the log's place`, () => {
      const root = temporary();
      make(root);
      assert.throws(
        () => open(root, 4096, 1),
        (error) => {
          assert.ok(error instanceof LogfileError);
          assert.match(error.message, sentence);
          return true;
        },
      );
    });
  }

  it("does not leave its directory", () => {
    const root = temporary();
    mkdirSync(join(root, "in"));
    symlinkSync("/tmp", join(root, "in", "link"));
    const relativePaths = ["../out/x.log", "link/x.log", "missing/x.log", "../../tmp/x.log"];
    for (const relativePath of relativePaths) {
      assert.throws(
        () => LogDirectory.open(join(root, "in"), relativePath),
        LogfileError,
        relativePath,
      );
    }
    assert.deepEqual(readdirSync(root), ["in"]);
  });
});
