// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { makeFifo } from "../../../src/kernel/index.ts";
import { LineOutput } from "../../../src/program/index.ts";
import { waitFor } from "../../support/wait.ts";

const pipeBytes = 64 * 1024;

describe("a line output", () => {
  it("counts the lines that a reader did not read, and says so before the next one", () => {
    using pipe = new Pipe();
    const output = outputOf(pipe.writeFd);
    pipe.fill();
    output.write("lost 1\n");
    output.write("lost 2\n");
    assert.equal(output.lostLines, 2);
    pipe.read(pipeBytes);
    output.write("third\n");
    assert.equal(pipe.read(pipeBytes), "2 lost: EAGAIN\nthird\n");
    assert.equal(output.lostLines, 2);
  });

  it("keeps some lines for a slow reader, in order, and loses the others", async () => {
    using pipe = new Pipe();
    const output = outputOf(pipe.writeFd, 16);
    pipe.fill();
    for (const line of ["first\n", "second\n", "third\n", "4\n"]) output.write(line);
    assert.equal(output.lostLines, 2, "4 would come after what is lost");
    pipe.read(pipeBytes);
    const said = await waitFor("them", () => pipe.read(100) || undefined);
    assert.equal(said, "first\nsecond\n2 lost: EAGAIN\n");
    output.write("last\n");
    assert.equal(pipe.read(100), "last\n");
  });

  it("reports a loss by itself when lines can be written again", async () => {
    using pipe = new Pipe();
    const output = outputOf(pipe.writeFd);
    pipe.fill();
    output.write("lost\n");
    pipe.read(pipeBytes);
    assert.equal(
      await waitFor("the report", () => pipe.read(100) || undefined),
      "1 lost: EAGAIN\n",
    );
  });

  it("finishes a line that was written in part before another one", async () => {
    using pipe = new Pipe();
    const output = outputOf(pipe.writeFd);
    const long = `${"x".repeat(2 * pipeBytes)}\n`;
    output.write(long);
    output.write("lost\n");
    assert.equal(output.lostLines, 1);
    let text = "";
    await waitFor("the report", () => {
      text += pipe.read(pipeBytes);
      return text.endsWith("EAGAIN\n");
    });
    output.write("last\n");
    text += pipe.read(pipeBytes);
    assert.equal(text, `${long}1 lost: EAGAIN\nlast\n`);
  });

  it("asks before it writes into a pipe that blocks", () => {
    let isReady = false;
    using pipe = new Pipe();
    const lossLine = (lines: number): string => `${lines} lost\n`;
    const output = new LineOutput({ fd: pipe.writeFd, isReady: () => isReady, lossLine });
    output.write("lost\n");
    assert.equal(output.lostLines, 1);
    isReady = true;
    output.write("well\n");
    assert.equal(pipe.read(100), "1 lost\nwell\n");
  });

  it("survives a closed descriptor, a full disk and a reader that is gone", () => {
    const pipe = new Pipe();
    const full = openSync("/dev/full", "w");
    try {
      const outputs = [outputOf(full), outputOf(pipe.writeFd), outputOf(99_999)];
      pipe.closeReader();
      for (const output of outputs) output.write("lost\n");
      assert.deepEqual(
        outputs.map(({ lostLines }) => lostLines),
        [1, 1, 1],
      );
    } finally {
      closeSync(full);
      pipe[Symbol.dispose]();
    }
  });
});

function outputOf(fd: number, keptBytesMax: number = 0): LineOutput {
  const lossLine = (lines: number, reason: string): string => `${lines} lost: ${reason}\n`;
  return new LineOutput({ fd, keptBytesMax, lossLine });
}

/** A pipe whose ends are non-blocking. */
class Pipe implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), "xenlogd-lines-"));
  readonly #readFd: number;
  readonly writeFd: number;
  #isReaderOpen: boolean = true;

  constructor() {
    const path = join(this.#directory, "pipe");
    makeFifo(path, 0o600);
    this.#readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.writeFd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  }

  fill(): void {
    assert.throws(
      () => {
        for (;;) writeSync(this.writeFd, Buffer.alloc(4096, "."));
      },
      { code: "EAGAIN" },
    );
  }

  /** What is there now, at most that much. */
  read(bytesMax: number): string {
    const buffer = Buffer.alloc(bytesMax);
    try {
      return buffer.toString("latin1", 0, readSync(this.#readFd, buffer, 0, bytesMax, null));
    } catch {
      return "";
    }
  }

  closeReader(): void {
    if (this.#isReaderOpen) closeSync(this.#readFd);
    this.#isReaderOpen = false;
  }

  [Symbol.dispose](): void {
    this.closeReader();
    closeSync(this.writeFd);
    rmSync(this.#directory, { recursive: true });
  }
}
