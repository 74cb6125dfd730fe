// SPDX-License-Identifier: Apache-2.0
// Bytes that are no text, characters that move a cursor, and values of any length, in every node.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import type { Site } from "../site.ts";
import { accepted, type Kind, quoted, type Row, refused, titleOf } from "../table.ts";

const notUtf8: readonly (readonly [string, readonly number[]])[] = [
  ["a lone 0xff", [0xff]],
  ["a lone continuation byte", [0x80]],
  ["a cut sequence", [0xe2, 0x82]],
  ["an overlong slash", [0xc0, 0xaf]],
  ["a surrogate", [0xed, 0xa0, 0x80]],
  ["a code point above U+10FFFF", [0xf4, 0x90, 0x80, 0x80]],
  ["Latin-1", [0xe4]],
];

function bytesOf(before: string, bytes: readonly number[], after: string): Uint8Array {
  return Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)]);
}

/** Where text is expected and there is none, each fault is one U+FFFD. */
function shownOf(bytes: Uint8Array): string {
  return quoted(Buffer.from(bytes).toString("utf8"));
}

const invalid: readonly Row[] = notUtf8.flatMap(([what, bytes]): Row[] => {
  const file = (site: Site): Uint8Array => bytesOf(`${site.log}/x`, bytes, "y.log");
  const pipe = (site: Site): Uint8Array => bytesOf(`${site.run}/x`, bytes, "-0123456789abcdef");
  const log = bytesOf("x", bytes, "y");
  return [
    {
      // contract: C21
      it: `file with ${what} is refused`,
      nodes: (site) => ({ file: file(site) }),
      answer: (site) => refused(`file is ${shownOf(file(site))}; it must be valid UTF-8`),
    },
    {
      it: `pipe with ${what} is refused`,
      nodes: (site) => ({ pipe: pipe(site) }),
      answer: (site) => refused(`pipe is ${shownOf(pipe(site))}; it must be valid UTF-8`, false),
    },
    {
      it: `log with ${what} is refused`,
      nodes: () => ({ log }),
      answer: () => refused(`log is ${shownOf(log)}; it must be valid UTF-8`),
    },
  ];
});

const controls: readonly string[] = [
  "\n",
  "\r",
  "\t",
  "\0",
  "\u0001",
  "\u0007",
  "\u001b]0;title\u0007",
  "\u007f",
  "\u0085",
  "\u009b2J",
];

const control: readonly Row[] = controls.flatMap((text): Row[] => [
  {
    it: `file with ${titleOf(text)} is refused`,
    nodes: ({ log }) => ({ file: `${log}/x${text}y.log` }),
    answer: ({ log }) =>
      refused(`file is ${quoted(`${log}/x${text}y.log`)}; it must not contain control characters`),
  },
  {
    it: `pipe with ${titleOf(text)} is refused`,
    nodes: ({ pipe }) => ({ pipe: `${pipe}${text}` }),
    answer: ({ pipe }) =>
      refused(`pipe is ${quoted(`${pipe}${text}`)}; it must not contain control characters`, false),
  },
]);

/** No control characters, so names like others; what prints them has to make them safe. */
const unusual: readonly Row[] = [
  "\u202egol.exe",
  "\u2066x\u2069",
  "\u200b",
  "\u2028",
  "\ufeff",
  "\ufffd",
  "e\u0301",
  "\u{1f600}",
  " ",
  "%s%n%x",
  "$(reboot)",
  "'\"`\\",
  "-rf",
  "*",
].map((text) => ({
  it: `file with ${titleOf(text)} is taken, under that name to the byte`,
  nodes: ({ log }) => ({ file: `${log}/${text}.log` }),
  answer: () => accepted,
  changes: [`${text}.log`],
  check: ({ log }) => {
    const names = readdirSync(log, { encoding: "buffer" }).map((name) => name.toString("latin1"));
    assert.ok(names.includes(Buffer.from(`${text}.log`).toString("latin1")), names.join(" "));
  },
}));

/** A path of that many bytes in existing directories, none of them too long a name. */
function longPath(directory: string, bytes: number, name: string): string {
  let path = directory;
  while (bytes - Buffer.byteLength(path) - name.length - 1 > 0) {
    const room = bytes - Buffer.byteLength(path) - name.length - 2;
    path += `/${"d".repeat(Math.max(Math.min(room, 200), 1))}`;
    if (room <= 200) break;
  }
  const full = `${path}/${name}`;
  if (!existsSync(dirname(full))) mkdirSync(dirname(full), { recursive: true });
  assert.equal(Buffer.byteLength(full), bytes);
  return full;
}

const long: readonly Row[] = [
  {
    it: "file of 1024 bytes is taken",
    prepare: ({ log }) => void longPath(log, 1024, "x.log"),
    nodes: ({ log }) => ({ file: longPath(log, 1024, "x.log") }),
    answer: () => accepted,
    changes: ["d".repeat(200)],
  },
  {
    // contract: C17
    it: "file of 1025 bytes is refused",
    prepare: ({ log }) => void longPath(log, 1025, "x.log"),
    nodes: ({ log }) => ({ file: longPath(log, 1025, "x.log") }),
    answer: ({ log }) =>
      refused(
        `file is ${quoted(longPath(log, 1025, "x.log"))}; it must be at most 1024 bytes long`,
      ),
  },
  {
    it: "pipe of 1025 bytes is refused",
    prepare: ({ run }) => void longPath(run, 1025, "x-0123456789abcdef"),
    nodes: ({ run }) => ({ pipe: longPath(run, 1025, "x-0123456789abcdef") }),
    answer: ({ run }) =>
      refused(
        `pipe is ${quoted(longPath(run, 1025, "x-0123456789abcdef"))}; it must be at most 1024 bytes long`,
        false,
      ),
  },
  {
    it: "file whose name has 220 bytes is taken",
    nodes: ({ log }) => ({ file: `${log}/${"n".repeat(220)}` }),
    answer: () => accepted,
  },
  ...["n".repeat(221), "ä".repeat(111), "n".repeat(900)].map(
    (name): Row => ({
      it: `file whose name has ${Buffer.byteLength(name)} bytes is refused`,
      nodes: ({ log }) => ({ file: `${log}/${name}` }),
      answer: ({ log }) =>
        refused(`file is ${quoted(`${log}/${name}`)}; no component may be longer than 220 bytes`),
    }),
  ),
  {
    it: "file with a directory of 221 bytes is refused",
    nodes: ({ log }) => ({ file: `${log}/${"n".repeat(221)}/x.log` }),
    answer: ({ log }) =>
      refused(
        `file is ${quoted(`${log}/${"n".repeat(221)}/x.log`)}; no component may be longer than 220 bytes`,
      ),
  },
  {
    it: "limit of 1500 digits is refused in one short sentence",
    nodes: () => ({ limit: "9".repeat(1500) }),
    answer: () =>
      refused(
        `limit is ${quoted("9".repeat(1500))}; it must be a whole number of bytes from 4096 to 9007199254740991`,
      ),
  },
  {
    it: "a sentence that is too long keeps its end, which says why",
    nodes: ({ log }) => ({ file: missingPath(log) }),
    answer: ({ log }) => {
      const path = missingPath(log).slice(0, -"/x.log".length);
      const sentence = `the log directory ${path} cannot be opened: it does not exist`;
      return refused(`${sentence.slice(0, 765)}...${sentence.slice(-256)}`);
    },
  },
];

/** 1024 bytes, and no directory of it exists. */
function missingPath(log: string): string {
  const directories = `/${"m".repeat(150)}`.repeat(6);
  const room = 1024 - log.length - directories.length - "//x.log".length;
  return `${log}${directories}/${"m".repeat(room)}/x.log`;
}

export const encodings: Kind = {
  kind: "encodings and lengths",
  rows: [...invalid, ...control, ...unusual, ...long],
};
