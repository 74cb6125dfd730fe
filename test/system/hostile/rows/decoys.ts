// SPDX-License-Identifier: Apache-2.0
// What is under the log's name already, with copies beside it that a served request would shorten or
// remove. A refused one touches none of them, and leaves no side file.

import assert from "node:assert/strict";
import {
  closeSync,
  constants,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { createServer } from "node:net";
import { makeFifo } from "../../../../src/kernel/index.ts";
import type { Site } from "../site.ts";
import { accepted, type Kind, type Nodes, type Row, refused } from "../table.ts";
import { mknod } from "./pipes.ts";

/** Far above any limit that these rows ask for. */
const large = "a line that somebody wants to keep\n".repeat(1000);

interface Decoy {
  readonly it: string;
  readonly make: (site: Site) => void;
  readonly says: string;
  readonly needs?: "root";
}

const notRegular = "is not a regular file";
const link = "cannot be opened: a symbolic link is in the way";

/** Under the log's own name. */
const lives: readonly Decoy[] = [
  {
    it: "a link to a file beside it",
    make: ({ log, file }) => {
      writeFileSync(`${log}/target`, large);
      symlinkSync("target", file);
    },
    says: link,
  },
  { it: "a link to nothing", make: ({ file }) => symlinkSync("nowhere", file), says: link },
  { it: "a link to itself", make: ({ file }) => symlinkSync("x.log", file), says: link },
  { it: "a link to /etc/passwd", make: ({ file }) => symlinkSync("/etc/passwd", file), says: link },
  { it: "a directory", make: ({ file }) => mkdirSync(file), says: notRegular },
  {
    it: "a directory with a file in it",
    make: ({ file }) => {
      mkdirSync(file);
      writeFileSync(`${file}/decoy`, large);
    },
    says: notRegular,
  },
  { it: "a FIFO", make: ({ file }) => makeFifo(file, 0o600), says: notRegular },
  { it: "a socket", make: ({ file }) => makeSocket(file), says: notRegular },
  {
    it: "a character device",
    make: ({ file }) => mknod(file, "c", "1", "3"),
    says: notRegular,
    needs: "root",
  },
  {
    it: "a block device without a driver",
    make: ({ file }) => mknod(file, "b", "240", "0"),
    says: notRegular,
    needs: "root",
  },
  {
    it: "a character device without a driver",
    make: ({ file }) => mknod(file, "c", "240", "0"),
    says: notRegular,
    needs: "root",
  },
  {
    it: "a hard link to a larger file",
    make: ({ log, file }) => {
      writeFileSync(`${log}/target`, large);
      linkSync(`${log}/target`, file);
    },
    says: "has more than one hard link",
  },
  {
    it: "a hard link to an empty file",
    make: ({ log, file }) => {
      writeFileSync(`${log}/target`, "");
      linkSync(`${log}/target`, file);
    },
    says: "has more than one hard link",
  },
];

/** Beside it: too large each, and two too many for `copies` 1. */
function addCopies({ file }: Site): void {
  for (const index of [1, 2, 3]) writeFileSync(`${file}.${index}`, large);
}

const bounds: readonly (readonly [string, Nodes])[] = [
  ["copies 0", { limit: "4096", copies: "0" }],
  ["copies 1", { limit: "4096", copies: "1" }],
];

const liveRows: readonly Row[] = lives.flatMap(({ it, make, says, needs }) =>
  bounds.map(
    ([what, nodes]): Row => ({
      // contract: C23
      it: `${it} as the log, with ${what}, is refused and its copies stay`,
      prepare: (site) => {
        make(site);
        addCopies(site);
      },
      nodes: () => nodes,
      answer: () => refused(`the log x.log ${says}`),
      ...(needs === undefined ? {} : { needs }),
    }),
  ),
);

/** Somebody who waits in open(2) for a writer shows that the daemon has opened it. */
let waiting: Promise<void> | undefined;
let opened = false;

const unopened: Row = {
  it: "a FIFO as the log is not even opened: it may be a device that does something then",
  prepare: ({ file }) => {
    makeFifo(file, 0o600);
    opened = false;
    waiting = open(file, "r").then((handle) => {
      opened = true;
      return handle.close();
    });
  },
  answer: () => refused("the log x.log is not a regular file"),
  check: async ({ file }) => {
    const before = opened;
    closeSync(openSync(file, constants.O_RDWR));
    await waiting;
    assert.equal(before, false, "the daemon has opened it");
  },
};

function makeSocket(path: string): void {
  const server = createServer().listen(`${path}.made`);
  // The name stays when the server is closed, for it is another one.
  renameSync(`${path}.made`, path);
  server.close();
}

/** Beside the log, and nobody's business but their owner's. */
const beside: readonly Row[] = [
  ["a stranger's .trim file", ".x.log-backup.trim"],
  ["a .trim file of another log", ".x.log.old.log.trim"],
  ["a name that only begins like the log's", "x.log2"],
  ["a copy with a leading zero", "x.log.01"],
  ["a compressed copy", "x.log.1.gz"],
  ["a copy with a minus", "x.log.-1"],
  ["a copy of a very large number", "x.log.99999999999"],
].map(([it = "", name = ""]) => ({
  it: `${it} stays as it is`,
  prepare: ({ log, file }) => {
    writeFileSync(file, large);
    writeFileSync(`${log}/${name}`, large);
  },
  nodes: () => ({ limit: "4096", copies: "0" }),
  answer: () => accepted,
}));

export const decoys: Kind = {
  kind: "what is under the log's name",
  rows: [...liveRows, unopened, ...beside],
};
