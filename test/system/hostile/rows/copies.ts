// SPDX-License-Identifier: Apache-2.0
// What is under the names of the copies and of the side file. A rotation would rename or remove it,
// so a request is refused unless each copy is a regular file with one name.

import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { makeFifo } from "../../../../src/kernel/index.ts";
import type { Site } from "../site.ts";
import { accepted, type Kind, type Row, refused } from "../table.ts";
import { mknod } from "./pipes.ts";

const large = "a line that somebody wants to keep\n".repeat(1000);

interface Decoy {
  readonly it: string;
  readonly make: (path: string, site: Site) => void;
  readonly says: string;
  readonly needs?: "root";
}

const notRegular = "is not a regular file";

const decoys: readonly Decoy[] = [
  { it: "a directory", make: (path) => mkdirSync(path), says: notRegular },
  {
    it: "a link",
    make: (path, { log }) => {
      writeFileSync(`${log}/target`, large);
      symlinkSync("target", path);
    },
    says: notRegular,
  },
  { it: "a link to nothing", make: (path) => symlinkSync("nowhere", path), says: notRegular },
  { it: "a FIFO", make: (path) => makeFifo(path, 0o600), says: notRegular },
  {
    it: "a device",
    make: (path) => mknod(path, "c", "1", "3"),
    says: notRegular,
    needs: "root",
  },
  {
    it: "a hard link to a larger file",
    make: (path, { log }) => {
      writeFileSync(`${log}/target`, large);
      linkSync(`${log}/target`, path);
    },
    says: "has more than one hard link",
  },
];

const refusedCopies: readonly Row[] = decoys.flatMap(({ it, make, says, needs }) =>
  [1, 2].map(
    (index): Row => ({
      // contract: C23
      it: `${it} as copy ${index} of 2 is refused`,
      prepare: (site) => {
        writeFileSync(site.file, large);
        writeFileSync(`${site.file}.${3 - index}`, large);
        writeFileSync(`${site.file}.7`, large);
        make(`${site.file}.${index}`, site);
      },
      nodes: () => ({ limit: "4096", copies: "2" }),
      answer: () => refused(`the copy x.log.${index} ${says}`),
      ...(needs === undefined ? {} : { needs }),
    }),
  ),
);

/** Rotation never comes there, so what is no file may stay. */
const beyond: readonly Row[] = [
  ...decoys
    .filter(({ says }) => says === notRegular)
    .map(
      ({ it, make, needs }): Row => ({
        it: `${it} above the number of copies stays as it is`,
        prepare: (site) => make(`${site.file}.5`, site),
        answer: () => accepted,
        ...(needs === undefined ? {} : { needs }),
      }),
    ),
  {
    it: "a hard link above the number of copies is refused: it is removed from no log of its own",
    prepare: ({ log, file }) => {
      writeFileSync(`${log}/target`, large);
      linkSync(`${log}/target`, `${file}.5`);
    },
    answer: () => refused("the copy x.log.5 has more than one hard link"),
  },
  {
    it: "files above the number of copies go, as the bound has it",
    prepare: ({ file }) => writeFileSync(`${file}.5`, large),
    answer: () => accepted,
    changes: ["x.log.5"],
  },
];

/** An index that cannot be kept stops no log. */
const sides: readonly Row[] = decoys.map(({ it, make, needs }) => ({
  it: `${it} as the side file stays as it is, and the log is served without an index`,
  prepare: (site) => make(`${site.log}/.x.log.xenlogd`, site),
  answer: () => accepted,
  ...(needs === undefined ? {} : { needs }),
}));

export const copies: Kind = {
  kind: "what is under the copies' names",
  rows: [...refusedCopies, ...beyond, ...sides],
};
