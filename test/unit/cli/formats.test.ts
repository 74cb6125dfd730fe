// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { legalName } from "../../../src/cli/run/domain-name.ts";
import { formatLiveLine } from "../../../src/cli/run/live-line.ts";
import { formatTable } from "../../../src/cli/terminal/table.ts";
import { formatBytes, formatCount } from "../../../src/cli/terminal/units.ts";
import { nameBytesMax, parseName } from "../../../src/contract/index.ts";
import type { StreamStatus } from "../../../src/control/index.ts";

describe("bytes for people", () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1 KiB"],
    [200_704, "196 KiB"],
    [1024 * 1023.4, "1023 KiB"],
    [1024 * 1023.6, "1.0 MiB"],
    [1024 * 1024, "1 MiB"],
    [12.3 * 1024 * 1024, "12.3 MiB"],
    [1024 ** 3 - 1, "1.0 GiB"],
    [5 * 1024 ** 3, "5 GiB"],
    [Number.MAX_SAFE_INTEGER, "8.0 PiB"],
  ];
  for (const [bytes, text] of cases) {
    it(`are ${text} for ${bytes}`, () => assert.equal(formatBytes(bytes), text));
  }

  it("have their nouns", () => {
    assert.deepEqual(
      [formatCount(1, "rotation"), formatCount(0, "rotation")],
      ["1 rotation", "0 rotations"],
    );
  });
});

describe("the live line", () => {
  const status: StreamStatus = {
    domid: 1,
    name: "demo",
    log: "console",
    id: 1,
    state: "ready",
    pipe: "/p",
    file: "/f",
    limit: 65536,
    copies: 3,
    overflow: "auto",
    epoch: "e",
    error: null,
    offset: 0,
    oldestOffset: 0,
    sizeBytes: 196 * 1024,
    boundBytes: 256 * 1024,
    rotations: 3,
    writtenBytes: 12.3 * 1024 * 1024,
    droppedBytes: {},
    lastWriteAt: null,
    insertedBytes: {},
    stalled: null,
    dropping: null,
  };

  it("says what is kept and what has passed", () => {
    assert.equal(
      formatLiveLine(status, 200),
      "demo/console 196 KiB of 256 KiB kept · 12.3 MiB written · 3 rotations",
    );
  });

  it("says what was dropped, if anything was", () => {
    const line = formatLiveLine({ ...status, droppedBytes: { "disk full": 512, other: 512 } }, 200);
    assert.match(line, / · 3 rotations · 1 KiB dropped$/);
  });

  it("never wraps", () => {
    assert.equal(formatLiveLine(status, 20), "demo/console 196 KiB");
  });
});

describe("a table", () => {
  it("is aligned, and prints nothing that moves a cursor", () => {
    const lines = formatTable(
      [
        { heading: "NAME", align: "left", text: (row: readonly [string, string]) => row[0] },
        { heading: "SIZE", align: "right", text: (row) => row[1] },
      ],
      [
        ["a\x1b[2J", "1"],
        ["b", "12345"],
      ],
    );
    assert.deepEqual(lines, ["NAME         SIZE", "a\\u{1b}[2J      1", "b           12345"]);
  });
});

describe("a domain's name from COMMAND", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["qemu-system-x86_64", "qemu-system-x86_64"],
    ["/usr/bin/seq", "seq"],
    ["./.hidden", "hidden"],
    ["..", "command"],
    ["/", "command"],
    ["host", "run-host"],
    ["7", "run-7"],
    ["a b\tc\n", "abc"],
    ["x".repeat(500), "x".repeat(28)],
  ];
  for (const [argv0, name] of cases) {
    it(`is ${name} for ${JSON.stringify(argv0.slice(0, 30))}`, () => {
      assert.equal(legalName(argv0), name);
      assert.equal(parseName(`${name}-2`, "it"), `${name}-2`);
    });
  }

  it("is never too long, whatever its letters", () => {
    assert.ok(Buffer.byteLength(legalName("\u{1f600}".repeat(100))) < nameBytesMax);
  });
});
