// SPDX-License-Identifier: Apache-2.0
// Which FIFOs are accepted, and that only their own name is removed.

import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Fifo, FifoError } from "../../../src/fifo/index.ts";
import { makeFifo } from "../../../src/kernel/index.ts";

const noRoot = process.getuid?.() === 0 ? false : "giving a file away needs root";
/** Nobody's uid: any but ours. */
const otherUid = 65_534;

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "xenlogd-fifo-"));
  path = join(directory, "fifo");
  makeFifo(path, 0o600);
});
afterEach(() => rmSync(directory, { recursive: true }));

function assertRefused(sentence: RegExp): void {
  assert.throws(
    () => Fifo.find(directory, "fifo"),
    (error) => error instanceof FifoError && sentence.test(error.message),
  );
}

describe("a FIFO", () => {
  it("that only we can open is accepted", () => {
    Fifo.find(directory, "fifo").close();
  });

  it("of another user is refused", { skip: noRoot }, () => {
    chownSync(path, otherUid, 0);
    assertRefused(/belongs to user 65534/);
  });

  it("of another group only is accepted: its mode keeps the group out", { skip: noRoot }, () => {
    chownSync(path, 0, otherUid);
    Fifo.find(directory, "fifo").close();
  });

  it("with a second name is refused", () => {
    linkSync(path, join(directory, "second"));
    assertRefused(/has more than one hard link/);
  });

  for (const mode of [0o640, 0o620, 0o604, 0o602, 0o601]) {
    it(`with mode ${mode.toString(8)} is refused`, () => {
      chmodSync(path, mode);
      assertRefused(/has mode 06\d\d; it must be 0600/);
    });
  }

  it("that is a file or behind a symbolic link is refused", () => {
    renameSync(path, join(directory, "real"));
    symlinkSync("real", path);
    assertRefused(/cannot be opened/);
    rmSync(path);
    writeFileSync(path, "", { mode: 0o600 });
    assertRefused(/is not a FIFO/);
  });
});

describe("the name of a FIFO", () => {
  it("is removed with it", () => {
    const fifo = Fifo.find(directory, "fifo");
    fifo.unlink();
    fifo.close();
    assert.ok(!existsSync(path));
  });

  // contract: C63
  it("is left alone when another FIFO has it now", () => {
    const fifo = Fifo.find(directory, "fifo");
    makeFifo(join(directory, "next"), 0o600);
    const { ino } = statSync(join(directory, "next"));
    renameSync(join(directory, "next"), path);
    fifo.unlink();
    fifo.close();
    assert.equal(statSync(path).ino, ino);
  });

  it("may be gone already", () => {
    const fifo = Fifo.find(directory, "fifo");
    rmSync(path);
    fifo.unlink();
    fifo.close();
  });
});
