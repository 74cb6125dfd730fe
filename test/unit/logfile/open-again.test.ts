// SPDX-License-Identifier: Apache-2.0
// The live file when it is opened anew after an error.

import assert from "node:assert/strict";
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { LogDirectory } from "../../../src/logfile/files/index.ts";
import { openAgain } from "../../../src/logfile/write/open-again.ts";

const known = "known\n";
const next = "the next line\n";

/** Opens a log that had `known` in it after `meanwhile`; what it holds then, if it is still the log. */
function after(meanwhile: (path: string) => void): string | undefined {
  const root = mkdtempSync(join(tmpdir(), "xenlogd-again-"));
  const path = join(root, "x.log");
  writeFileSync(path, known);
  const { ino: inode, birthtimeMs: bornMs, size: sizeBytes } = statSync(path);
  const directory = LogDirectory.open(root, "x.log");
  meanwhile(path);
  try {
    const live = openAgain(directory, {
      kind: "unreachable",
      live: { inode, bornMs, sizeBytes },
      areNext: (bytes) => next.startsWith(bytes.toString()),
    });
    live?.close();
    return live && readFileSync(path, "utf8");
  } finally {
    directory.close();
    rmSync(root, { recursive: true });
  }
}

describe("a live file that is opened anew", () => {
  it("is as it was", () => {
    assert.equal(
      after(() => {}),
      known,
    );
  });

  it("loses what was written without a report: it is written again", () => {
    assert.equal(
      after((path) => appendFileSync(path, next.slice(0, 5))),
      known,
    );
  });

  it("keeps what others have written", () => {
    assert.equal(
      after((path) => appendFileSync(path, "by hand\n")),
      `${known}by hand\n`,
    );
  });

  it("may have another inode, if it has its size", () => {
    const renumber = (path: string): void => {
      writeFileSync(`${path}.new`, known);
      renameSync(`${path}.new`, path);
    };
    assert.equal(after(renumber), known);
  });

  it("is another log where nothing of it is the same", () => {
    assert.equal(
      after((path) => {
        renameSync(path, `${path}.away`);
        writeFileSync(path, "another one\n");
      }),
      undefined,
    );
  });
});
