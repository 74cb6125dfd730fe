// SPDX-License-Identifier: Apache-2.0
// `pipe`: an absolute path below XEN_RUN_DIR to a FIFO of mode 0600 with one link, whose name holds
// 16 hexadecimal digits. Nobody opens anything else.

import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { makeFifo } from "../../../../src/kernel/index.ts";
import type { Site } from "../site.ts";
import { accepted, type Kind, quoted, type Row, refused } from "../table.ts";

const hex = "0123456789abcdef";

/** Value, and what is wrong with it, as far as the path alone says. */
const paths: readonly (readonly [(site: Site) => string, string])[] = [
  [() => "", "it must be an absolute path"],
  [() => ".", "it must be an absolute path"],
  [() => `q-${hex}.fifo`, "it must be an absolute path"],
  [() => `run/q-${hex}.fifo`, "it must be an absolute path"],
  [() => `../run/q-${hex}`, "it must be an absolute path"],
  [() => `~/q-${hex}`, "it must be an absolute path"],
  [({ pipe }) => ` ${pipe}`, "it must be an absolute path"],
  [({ pipe }) => `file://${pipe}`, "it must be an absolute path"],
  [() => "/", "it must not contain // or end with a slash"],
  [() => "//", "it must not contain // or end with a slash"],
  [({ pipe }) => `/${pipe}`, "it must not contain // or end with a slash"],
  [({ pipe }) => `${pipe}/`, "it must not contain // or end with a slash"],
  [({ pipe, run }) => pipe.replace(run, `${run}/`), "it must not contain // or end with a slash"],
  [({ pipe, run }) => pipe.replace(run, `${run}/.`), "it must not contain . or .. as a component"],
  [
    ({ pipe, run, runRoot }) => pipe.replace(runRoot, `${run}/..`),
    "it must not contain . or .. as a component",
  ],
  [({ runRoot }) => `${runRoot}/../q-${hex}`, "it must not contain . or .. as a component"],
  [({ pipe }) => `${pipe}/.`, "it must not contain . or .. as a component"],
  [({ pipe }) => `${pipe}/..`, "it must not contain . or .. as a component"],
];

const outside: readonly ((site: Site) => string)[] = [
  () => `/tmp/q-${hex}`,
  () => `/etc/passwd-${hex}`,
  () => `/proc/self/fd/${hex}`,
  ({ runRoot }) => `${runRoot}x/q-${hex}`,
  ({ logRoot }) => `${logRoot}/q-${hex}`,
  ({ daemon }) => `${daemon.directory}/q-${hex}`,
  () => `/tmp/a"b-${hex}`,
  () => `/tmp/ä-${hex}`,
  () => `/tmp/\u202e-${hex}`,
];

/** A FIFO whose name does not hold the digits. */
const names: readonly string[] = [
  "q.fifo",
  "q-0123456789abcde.fifo",
  "q-01234567-89abcdef.fifo",
  "q-0123456789abcdeg.fifo",
  "q-0123456789 abcdef.fifo",
];

const wrongNames: readonly Row[] = [
  ...names.map((name): Row => nameRow(name, (site) => `${site.run}/${name}`)),
  nameRow("digits in the directory only", ({ run }) => `${run}/${hex}/q.fifo`),
  nameRow("the daemon's control socket", ({ runRoot }) => `${runRoot}/control.sock`),
  nameRow("the store's socket", ({ runRoot }) => `${runRoot}/xenstored.sock`),
  nameRow("the daemon's pid file", ({ runRoot }) => `${runRoot}/xenlogd.pid`),
  nameRow("the daemon's FIFO directory", ({ runRoot }) => `${runRoot}/fifo`),
];

function nameRow(what: string, pipeOf: (site: Site) => string): Row {
  return {
    // contract: C19
    it: `${what}: refused, no 16 hexadecimal digits`,
    prepare: (site) => {
      const pipe = pipeOf(site);
      if (!pipe.startsWith(`${site.run}/`)) return;
      mkdirSync(pipe.slice(0, pipe.lastIndexOf("/")), { recursive: true });
      renameSync(site.pipe, pipe);
    },
    nodes: (site) => ({ pipe: pipeOf(site) }),
    answer: (site) =>
      refused(
        `pipe is ${quoted(pipeOf(site))}; its name must hold 16 random hexadecimal digits`,
        false,
      ),
  };
}

const goodNames: readonly string[] = [
  "0123456789abcdef",
  "0123456789ABCDEF.fifo",
  "0123456789abcdef0123456789abcdef",
  "a b-0123456789abcdef",
  ".0123456789abcdef",
];

interface Found {
  readonly it: string;
  readonly make: (site: Site) => void;
  readonly says: string;
  readonly needs?: "root";
}

/** What is at the path instead of a FIFO. */
const found: readonly Found[] = [
  { it: "nothing", make: () => {}, says: "cannot be opened: it does not exist" },
  { it: "a regular file", make: ({ pipe }) => writeFileSync(pipe, "decoy"), says: "is not a FIFO" },
  { it: "an empty file", make: ({ pipe }) => writeFileSync(pipe, ""), says: "is not a FIFO" },
  { it: "a directory", make: ({ pipe }) => mkdirSync(pipe), says: "is not a FIFO" },
  { it: "a socket", make: ({ pipe }) => makeSocket(pipe), says: "is not a FIFO" },
  {
    it: "a character device",
    make: ({ pipe }) => mknod(pipe, "c", "1", "5"),
    says: "is not a FIFO",
    needs: "root",
  },
  {
    it: "a block device",
    make: ({ pipe }) => mknod(pipe, "b", "7", "240"),
    says: "is not a FIFO",
    needs: "root",
  },
  {
    it: "a link to a FIFO",
    make: ({ pipe }) => {
      makeFifo(`${pipe}.real`, 0o600);
      symlinkSync(`${pipe}.real`, pipe);
    },
    says: "cannot be opened: a symbolic link is in the way",
  },
  {
    it: "a link to nothing",
    make: ({ pipe, run }) => symlinkSync(`${run}/nowhere`, pipe),
    says: "cannot be opened: a symbolic link is in the way",
  },
  {
    it: "a link to itself",
    make: ({ pipe }) => symlinkSync(pipe, pipe),
    says: "cannot be opened: a symbolic link is in the way",
  },
  {
    it: "a link to /etc/passwd",
    make: ({ pipe }) => symlinkSync("/etc/passwd", pipe),
    says: "cannot be opened: a symbolic link is in the way",
  },
];

/** What is wrong with a FIFO. */
const flaws: readonly Found[] = [
  ...[0o640, 0o604, 0o620, 0o602, 0o666, 0o777, 0o601, 0o700, 0o400, 0o200, 0o000].map(modeFlaw),
  ...[0o4600, 0o2600, 0o1600].map(modeFlaw),
  {
    it: "another user's",
    make: ({ pipe }) => chownSync(pipe, 1234, 0),
    says: "belongs to user 1234; it must belong to user 0",
    needs: "root",
  },
  {
    it: "of two names",
    make: ({ pipe }) => linkSync(pipe, `${pipe}.second`),
    says: "has more than one hard link",
  },
];

function modeFlaw(mode: number): Found {
  const text = mode.toString(8).padStart(4, "0");
  return {
    it: `of mode ${text}`,
    make: ({ pipe }) => chmodSync(pipe, mode),
    says: `has mode ${text}; it must be 0600`,
  };
}

const components: readonly Row[] = [
  {
    it: "a directory that does not exist is refused",
    fifo: "absent",
    nodes: ({ run }) => ({ pipe: `${run}/none/q-${hex}` }),
    answer: ({ run }) =>
      refused(`pipe ${run}/none/q-${hex} cannot be opened: it does not exist`, false),
  },
  {
    it: "a file as a directory is refused",
    prepare: ({ run }) => writeFileSync(`${run}/file`, "decoy"),
    nodes: ({ run }) => ({ pipe: `${run}/file/q-${hex}` }),
    answer: ({ run }) =>
      refused(`pipe ${run}/file/q-${hex} cannot be opened: it is not a directory`, false),
  },
  ...(["inside", "outside", "absolute"] as const).map(
    (where): Row => ({
      it: `a directory that is a link (${where}) is refused`,
      prepare: ({ run, log, pipe }) => {
        mkdirSync(`${run}/real`);
        const target = {
          inside: "real",
          outside: `../../log/${log.split("/").at(-1)}`,
          absolute: run,
        };
        symlinkSync(target[where], `${run}/link`);
        if (where === "absolute") linkName(pipe, `${run}/q-${hex}`);
      },
      nodes: ({ run }) => ({ pipe: `${run}/link/q-${hex}` }),
      answer: ({ run }) =>
        refused(`pipe ${run}/link/q-${hex} cannot be opened: a symbolic link is in the way`, false),
    }),
  ),
];

/** The FIFO under another name; its writer stays. */
function linkName(from: string, to: string): void {
  renameSync(from, to);
}

function makeSocket(path: string): void {
  const server = createServer().listen(path);
  server.unref();
  // The name is what counts, and close() would remove it.
  renameSync(path, `${path}.made`);
  server.close();
  renameSync(`${path}.made`, path);
}

export function mknod(path: string, ...numbers: readonly string[]): void {
  execFileSync("mknod", [path, ...numbers]);
}

export const pipes: Kind = {
  kind: "pipe",
  rows: [
    ...paths.map(
      ([pathOf, rule], index): Row => ({
        // contract: C17
        it: `path ${index + 1} is refused: ${rule}`,
        nodes: (site) => ({ pipe: pathOf(site) }),
        answer: (site) => refused(`pipe is ${quoted(pathOf(site))}; ${rule}`, false),
      }),
    ),
    ...outside.map(
      (pathOf, index): Row => ({
        // contract: C5
        it: `path ${index + 1} outside of XEN_RUN_DIR is refused`,
        nodes: (site) => ({ pipe: pathOf(site) }),
        answer: (site) =>
          refused(`pipe is ${quoted(pathOf(site))}; it must be below ${site.runRoot}`, false),
      }),
    ),
    {
      it: "XEN_RUN_DIR itself is refused",
      nodes: ({ runRoot }) => ({ pipe: runRoot }),
      answer: ({ runRoot }) =>
        refused(`pipe is "${runRoot}"; its name must hold 16 random hexadecimal digits`, false),
    },
    ...wrongNames,
    ...goodNames.map(
      (name): Row => ({
        it: `the name ${quoted(name)} is taken`,
        prepare: ({ pipe, run }) => renameSync(pipe, `${run}/${name}`),
        nodes: ({ run }) => ({ pipe: `${run}/${name}` }),
        answer: () => accepted,
      }),
    ),
    ...found.map(
      ({ it, make, says, needs }): Row => ({
        it: `${it} is refused`,
        fifo: "absent",
        prepare: make,
        answer: ({ pipe }) => refused(`pipe ${pipe} ${says}`, false),
        ...(needs === undefined ? {} : { needs }),
      }),
    ),
    ...flaws.map(
      ({ it, make, says, needs }): Row => ({
        // contract: C22
        it: `a FIFO ${it} is refused`,
        prepare: make,
        answer: ({ pipe }) => refused(`pipe ${pipe} ${says}`, false),
        ...(needs === undefined ? {} : { needs }),
      }),
    ),
    {
      it: "a FIFO of another group is taken: mode 0600 gives it nothing",
      prepare: ({ pipe }) => chownSync(pipe, 0, 1234),
      answer: () => accepted,
      needs: "root",
    },
    ...components,
  ],
};
