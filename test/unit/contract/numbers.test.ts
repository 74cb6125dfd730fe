// SPDX-License-Identifier: Apache-2.0
// Every number that comes from outside: what passes, and the one sentence for what does not.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  ContractError,
  copiesMax,
  domidMax,
  domidOfNode,
  durationMsMax,
  limitBytesMax,
  limitBytesMin,
  logfileIdMax,
  logfileIdOfNode,
  parseByteCount,
  parseCopies,
  parseDomid,
  parseDurationMs,
  parseLimit,
  parseLogfileId,
  parseSize,
} from "../../../src/contract/index.ts";

type Parse = (text: string, what: string) => number;

const bytes = "it must be a whole number of bytes from 4096 to 9007199254740991";

const accepted: readonly (readonly [Parse, string, number])[] = [
  [parseSize, "4096", 4096],
  [parseSize, "4KiB", 4096],
  [parseSize, "64KiB", 65536],
  [parseSize, "1MiB", 1048576],
  [parseSize, "2GiB", 2147483648],
  [parseSize, "9007199254740991", 9007199254740991],
  [parseSize, "8388607GiB", 9007198180999168],
  [parseByteCount, "1", 1],
  [parseByteCount, "10KiB", 10240],
  [parseLimit, "4096", 4096],
  [parseLimit, "9007199254740991", 9007199254740991],
  [parseCopies, "0", 0],
  [parseCopies, "1000", 1000],
  [parseDomid, "0", 0],
  [parseDomid, "32751", 32751],
  [parseLogfileId, "2147483647", 2147483647],
  [parseDurationMs, "0ms", 0],
  [parseDurationMs, "250ms", 250],
  [parseDurationMs, "10s", 10_000],
  [parseDurationMs, "10m", 600_000],
  [parseDurationMs, "2h", 7_200_000],
  [parseDurationMs, "7d", 604_800_000],
];

const refused: readonly (readonly [Parse, string, string, string])[] = [
  // negative
  [parseSize, "--limit", "-1", `--limit is "-1"; ${bytes}`],
  [parseSize, "--limit", "-64KiB", `--limit is "-64KiB"; ${bytes}`],
  [parseLimit, "limit", "-1", `limit is "-1"; ${bytes}`],
  [parseCopies, "--copies", "-1", '--copies is "-1"; it must be a whole number from 0 to 1000'],
  // fractional
  [parseSize, "--limit", "4096.5", `--limit is "4096.5"; ${bytes}`],
  [parseSize, "--limit", "1.5MiB", `--limit is "1.5MiB"; ${bytes}`],
  [parseLimit, "limit", "65536.0", `limit is "65536.0"; ${bytes}`],
  [parseCopies, "copies", "3.5", 'copies is "3.5"; it must be a whole number from 0 to 1000'],
  // not a number
  [
    parseSize,
    "--limit",
    "lots",
    '--limit is "lots", which is not a size; write it as 65536 or 64KiB for example',
  ],
  [
    parseSize,
    "--limit",
    "",
    '--limit is "", which is not a size; write it as 65536 or 64KiB for example',
  ],
  [parseLimit, "limit", "", `limit is ""; ${bytes}`],
  [parseLimit, "limit", "NaN", `limit is "NaN"; ${bytes}`],
  [parseLimit, "limit", "0x10000", `limit is "0x10000"; ${bytes}`],
  [parseLimit, "limit", "1e6", `limit is "1e6"; ${bytes}`],
  [parseLimit, "limit", "65536\n", `limit is "65536\\u{a}"; ${bytes}`],
  [parseLimit, "limit", " 65536", `limit is " 65536"; ${bytes}`],
  [parseLimit, "limit", "64KiB", `limit is "64KiB"; ${bytes}`],
  [parseCopies, "--copies", "few", '--copies is "few"; it must be a whole number from 0 to 1000'],
  [parseDomid, "--domid", "demo", '--domid is "demo"; it must be a whole number from 0 to 32751'],
  // above 2^53
  [parseSize, "--limit", "9007199254740993", `--limit is "9007199254740993"; ${bytes}`],
  [parseSize, "--limit", "9007199254740992", `--limit is "9007199254740992"; ${bytes}`],
  [parseSize, "--limit", "8388608GiB", `--limit is "8388608GiB"; ${bytes}`],
  [parseLimit, "limit", "99999999999999999999", `limit is "99999999999999999999"; ${bytes}`],
  [
    parseCopies,
    "--copies",
    "9007199254740993",
    '--copies is "9007199254740993"; it must be a whole number from 0 to 1000',
  ],
  // a unit that is none, or none of ours
  [
    parseSize,
    "--limit",
    "64K",
    '--limit is "64K", which is not a size; write it as 65536 or 64KiB',
  ],
  [
    parseSize,
    "--limit",
    "64k",
    '--limit is "64k", which is not a size; write it as 65536 or 64KiB',
  ],
  [
    parseSize,
    "--limit",
    "1MB",
    '--limit is "1MB", which is not a size; write it as 1048576 or 1MiB',
  ],
  [
    parseSize,
    "--limit",
    "2 GiB",
    '--limit is "2 GiB", which is not a size; write it as 2147483648 or 2GiB',
  ],
  [
    parseSize,
    "--limit",
    "99999999999G",
    '--limit is "99999999999G", which is not a size; the units are KiB, MiB and GiB',
  ],
  [
    parseSize,
    "--limit",
    "64TiB",
    '--limit is "64TiB", which is not a size; the units are KiB, MiB and GiB',
  ],
  [
    parseSize,
    "--limit",
    "64parsecs",
    '--limit is "64parsecs", which is not a size; the units are KiB, MiB and GiB',
  ],
  [
    parseDurationMs,
    "--timeout",
    "10",
    '--timeout is "10", which is not a duration; write it as 250ms, 10s, 10m or 2h',
  ],
  [
    parseDurationMs,
    "--timeout",
    "1.5s",
    '--timeout is "1.5s", which is not a duration; write it as 250ms, 10s, 10m or 2h',
  ],
  [
    parseDurationMs,
    "--timeout",
    "-1s",
    '--timeout is "-1s", which is not a duration; write it as 250ms, 10s, 10m or 2h',
  ],
  [parseDurationMs, "--older", "3651d", '--older is "3651d"; it must be at most 3650d'],
  // below 4 KiB
  [parseSize, "--limit", "4095", `--limit is "4095"; ${bytes}`],
  [parseSize, "--limit", "3KiB", `--limit is "3KiB"; ${bytes}`],
  [parseSize, "--limit", "0", `--limit is "0"; ${bytes}`],
  [parseLimit, "limit", "4095", `limit is "4095"; ${bytes}`],
  [
    parseByteCount,
    "--rate",
    "0",
    '--rate is "0"; it must be a whole number of bytes from 1 to 9007199254740991',
  ],
  [parseCopies, "--copies", "1001", '--copies is "1001"; it must be a whole number from 0 to 1000'],
  [parseDomid, "--domid", "32752", '--domid is "32752"; it must be a whole number from 0 to 32751'],
];

describe("numbers from outside", () => {
  for (const [parse, text, value] of accepted) {
    it(`${parse.name} takes ${text}`, () => assert.equal(parse(text, "it"), value));
  }
  for (const [parse, what, text, sentence] of refused) {
    it(`${parse.name} refuses ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => parse(text, what),
        (error) => error instanceof ContractError && error.message === sentence,
        sentence,
      );
    });
  }

  // contract: C1
  it("the ends of each range pass", () => {
    assert.equal(parseLimit(`${limitBytesMin}`, "limit"), limitBytesMin);
    assert.equal(parseLimit(`${limitBytesMax}`, "limit"), limitBytesMax);
    assert.equal(parseCopies(`${copiesMax}`, "copies"), copiesMax);
    assert.equal(parseDomid(`${domidMax}`, "domid"), domidMax);
    assert.equal(parseLogfileId(`${logfileIdMax}`, "id"), logfileIdMax);
    assert.equal(parseDurationMs(`${durationMsMax}ms`, "duration"), durationMsMax);
  });

  it("tells a wrong form from a wrong value", () => {
    assert.throws(() => parseLimit("x", "limit"), { name: "ContractError", code: "syntax" });
    assert.throws(() => parseLimit("1", "limit"), { name: "ContractError", code: "range" });
  });

  it("cuts and escapes what it quotes", () => {
    assert.throws(() => parseCopies(`\u001b[31m\u202e"${"x".repeat(500)}`, "copies"), {
      message: `copies is "\\u{1b}[31m\\u{202e}\\"${"x".repeat(73)}..."; it must be a whole number from 0 to 1000`,
    });
  });
});

describe("numbers as names of nodes", () => {
  const domids: readonly (readonly [string, number | undefined])[] = [
    ["0", 0],
    ["5", 5],
    ["32751", 32751],
    ["32752", undefined],
    ["05", undefined],
    ["-1", undefined],
    ["", undefined],
    ["pci", undefined],
    ["logging", undefined],
  ];
  for (const [name, domid] of domids) {
    it(`${JSON.stringify(name)} is domid ${domid}`, () => assert.equal(domidOfNode(name), domid));
  }
  it("an id has one spelling", () => {
    assert.equal(logfileIdOfNode("1"), 1);
    assert.equal(logfileIdOfNode("01"), undefined);
    assert.equal(logfileIdOfNode("2147483648"), undefined);
  });
});
