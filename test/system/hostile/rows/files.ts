// SPDX-License-Identifier: Apache-2.0
// `file`: an absolute path below XEN_LOG_DIR in a directory that exists, under a name that is neither
// a side file's nor a rotated file's. Nothing is made, followed or opened elsewhere.

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import type { Site } from "../site.ts";
import { accepted, type Kind, quoted, type Row, refused } from "../table.ts";

const absolute = "it must be an absolute path";
const slashes = "it must not contain // or end with a slash";
const dots = "it must not contain . or .. as a component";
const hidden = "its name must not begin with a dot";
const numbered = "its name must not end in a number, as rotated files do";

const paths: readonly (readonly [(site: Site) => string, string])[] = [
  [() => "", absolute],
  [() => "x.log", absolute],
  [() => "./x.log", absolute],
  [() => "../log/x.log", absolute],
  [({ file }) => ` ${file}`, absolute],
  [({ file }) => `|${file}`, absolute],
  [() => "/", slashes],
  [({ file }) => `/${file}`, slashes],
  [({ file }) => `${file}/`, slashes],
  [({ file }) => `${file}//`, slashes],
  [({ log }) => `${log}//x.log`, slashes],
  [({ log }) => `${log}/./x.log`, dots],
  [({ log }) => `${log}/../x.log`, dots],
  [({ logRoot }) => `${logRoot}/../../../etc/passwd`, dots],
  [({ log }) => `${log}/..`, dots],
  [({ log }) => `${log}/.`, dots],
  [({ log }) => `${log}/a/../../x.log`, dots],
  [({ log }) => `${log}/.x.log`, hidden],
  [({ log }) => `${log}/.x.log.xenlogd`, hidden],
  [({ log }) => `${log}/.x.log.trim`, hidden],
  [({ log }) => `${log}/...`, hidden],
  [({ log }) => `${log}/x.log.1`, numbered],
  [({ log }) => `${log}/x.log.01`, numbered],
  [({ log }) => `${log}/x.log.1000`, numbered],
  [({ log }) => `${log}/x.log.99999999999999999999`, numbered],
  [({ log }) => `${log}/x.0`, numbered],
];

const outside: readonly ((site: Site) => string)[] = [
  () => "/etc/passwd",
  () => "/dev/null",
  () => "/proc/self/mem",
  () => "/x.log",
  ({ logRoot }) => `${logRoot}x/x.log`,
  ({ logRoot }) => logRoot,
  ({ runRoot }) => `${runRoot}/xenlogd.pid`,
  ({ daemon }) => `${daemon.directory}/state/xenstore.state`,
  ({ daemon }) => `${daemon.directory}/x.log`,
  () => '/tmp/a"b\\c.log',
  () => "/tmp/ä.log",
  () => "/tmp/\u202egol.x",
  () => `/tmp/${"n".repeat(200)}.log`,
];

interface Directory {
  readonly it: string;
  readonly make: (site: Site) => void;
  /** The directory of the log, below the row's own. */
  readonly below: string;
  readonly says: string;
}

const link = "a symbolic link is in the way";

const directories: readonly Directory[] = [
  { it: "that does not exist", make: () => {}, below: "none", says: "it does not exist" },
  {
    it: "two levels of which do not exist",
    make: () => {},
    below: "none/none",
    says: "it does not exist",
  },
  {
    it: "that is a file",
    make: ({ log }) => writeFileSync(`${log}/file`, "decoy"),
    below: "file",
    says: "it is not a directory",
  },
  {
    it: "that is a link to one beside it",
    make: ({ log }) => {
      mkdirSync(`${log}/real`);
      symlinkSync("real", `${log}/link`);
    },
    below: "link",
    says: link,
  },
  {
    it: "that is a link out",
    make: ({ log }) => symlinkSync("../../run", `${log}/link`),
    below: "link",
    says: link,
  },
  {
    it: "that is an absolute link",
    make: ({ log }) => symlinkSync("/tmp", `${log}/link`),
    below: "link",
    says: link,
  },
  {
    it: "that is a link to itself",
    make: ({ log }) => symlinkSync("link", `${log}/link`),
    below: "link",
    says: link,
  },
  {
    it: "above which there is a link",
    make: ({ log }) => {
      mkdirSync(`${log}/real/deep`, { recursive: true });
      symlinkSync("real", `${log}/link`);
    },
    below: "link/deep",
    says: link,
  },
  {
    it: "that is a link out of /proc",
    make: ({ log }) => symlinkSync("/proc/self/cwd", `${log}/link`),
    below: "link",
    says: link,
  },
];

const taken: readonly (readonly [string, string])[] = [
  ["a name without a suffix", "x"],
  ["a name that ends in a number without a dot", "x1"],
  ["a name with a number in the middle", "x.1.log"],
  ["a name like a side file without its dot", "x.log.xenlogd"],
  ["a name that ends in a dot", "x."],
  ["a name that ends in .trim", "x.trim"],
  ["a name with a minus before its number", "x.-1"],
];

export const files: Kind = {
  kind: "file",
  rows: [
    ...paths.map(
      ([pathOf, rule], index): Row => ({
        // contract: C17, C18
        it: `path ${index + 1} is refused: ${rule}`,
        nodes: (site) => ({ file: pathOf(site) }),
        answer: (site) => refused(`file is ${quoted(pathOf(site))}; ${rule}`),
      }),
    ),
    ...outside.map(
      (pathOf, index): Row => ({
        // contract: C6
        it: `path ${index + 1} outside of XEN_LOG_DIR is refused`,
        nodes: (site) => ({ file: pathOf(site) }),
        answer: (site) =>
          refused(`file is ${quoted(pathOf(site))}; it must be below ${site.logRoot}`),
      }),
    ),
    ...directories.map(
      ({ it, make, below, says }): Row => ({
        // contract: C27
        it: `a log in a directory ${it} is refused`,
        prepare: make,
        nodes: ({ log }) => ({ file: `${log}/${below}/x.log` }),
        answer: ({ log }) => refused(`the log directory ${log}/${below} cannot be opened: ${says}`),
      }),
    ),
    ...taken.map(
      ([it, name]): Row => ({
        it: `${it} is taken`,
        nodes: ({ log }) => ({ file: `${log}/${name}` }),
        answer: () => accepted,
      }),
    ),
    {
      it: "pipe and file both wrong: pipe is named first",
      nodes: () => ({ pipe: "x", file: "y" }),
      answer: () => refused('pipe is "x"; it must be an absolute path', false),
    },
    {
      it: "the FIFO as the log is refused: it is not below XEN_LOG_DIR",
      nodes: ({ pipe }) => ({ file: pipe }),
      answer: ({ pipe, logRoot }) =>
        refused(`file is ${quoted(pipe)}; it must be below ${logRoot}`),
    },
  ],
};
