// SPDX-License-Identifier: Apache-2.0
// A request that names what belongs to another one: its FIFO, its log, its copies. The other one's
// bytes are all in its own log, before, meanwhile and after the second request is gone.

import { linkSync, mkdirSync, symlinkSync, unlinkSync } from "node:fs";
import type { Neighbour, Site } from "../site.ts";
import { accepted, type Kind, type Nodes, quoted, type Row, refused } from "../table.ts";

function of(site: Site): Neighbour {
  if (site.neighbour === undefined) throw new Error("the row has no neighbour");
  return site.neighbour;
}

async function addNeighbour(site: Site): Promise<void> {
  await site.addNeighbour();
}

const limitRule = "it must be a whole number of bytes from 4096 to 9007199254740991";

function fifoOf(site: Site): string {
  return `pipe ${of(site).pipe} is the FIFO of ${of(site).key} already`;
}

interface Second {
  readonly it: string;
  readonly nodes?: (site: Site) => Nodes;
  readonly error: (site: Site) => string | undefined;
  readonly prepare?: (site: Site) => void;
}

/** Requests that name the FIFO of the neighbour. Whatever else is wrong with them, it is not read. */
const ofFifo: readonly Second[] = [
  { it: "a valid one", error: fifoOf },
  { it: "one with the same log", nodes: (site) => ({ file: of(site).file }), error: fifoOf },
  {
    it: "one with a wrong limit",
    nodes: () => ({ limit: "0" }),
    error: () => `limit is "0"; ${limitRule}`,
  },
  {
    it: "one with wrong copies",
    nodes: () => ({ copies: "-1" }),
    error: () => 'copies is "-1"; it must be a whole number from 0 to 1000',
  },
  {
    it: "one with a wrong overflow",
    nodes: () => ({ overflow: "never" }),
    error: () => 'overflow is "never"; it must be auto, block or drop',
  },
  {
    it: "one with a relative log",
    nodes: () => ({ file: "x" }),
    error: () => 'file is "x"; it must be an absolute path',
  },
  {
    it: "one with a log outside of XEN_LOG_DIR",
    nodes: () => ({ file: "/etc/passwd" }),
    error: ({ logRoot }) => `file is "/etc/passwd"; it must be below ${logRoot}`,
  },
  {
    it: "one whose log is a directory",
    prepare: ({ file }) => mkdirSync(file),
    error: fifoOf,
  },
  {
    it: "one whose log is in no directory",
    nodes: ({ log }) => ({ file: `${log}/none/x.log` }),
    error: fifoOf,
  },
  {
    it: "one with state failed from the beginning",
    nodes: () => ({ state: "failed" }),
    error: () => undefined,
  },
  {
    it: "one with state ready from the beginning",
    nodes: () => ({ state: "ready" }),
    error: fifoOf,
  },
];

const fifoRows: readonly Row[] = ofFifo.map(({ it, nodes, error, prepare }) => ({
  // contract: C20
  it: `${it} that names the FIFO of another is refused, and takes no byte`,
  fifo: "absent",
  prepare: async (site) => {
    await addNeighbour(site);
    prepare?.(site);
  },
  nodes: (site) => ({ pipe: of(site).pipe, ...nodes?.(site) }),
  answer: (site) => refused(error(site), false),
}));

const otherPlaces: readonly (readonly [string, (site: Site) => string])[] = [
  ["the same domain's other id", (site) => `/libxl/${site.domid + 1}/logging/2`],
  ["the host", (site) => `/libxl/logging/${site.domid}`],
  ["domain 0", () => "/libxl/0/logging/1"],
];

const placeRows: readonly Row[] = otherPlaces.map(([it, at]) => ({
  it: `${it} cannot have the FIFO either`,
  fifo: "absent",
  prepare: addNeighbour,
  at,
  nodes: (site) => ({ pipe: of(site).pipe }),
  answer: (site) => refused(fifoOf(site), false),
}));

/** Names that lead to the FIFO of the neighbour. */
const names: readonly Row[] = [
  {
    it: "a link to the FIFO of another is refused",
    fifo: "absent",
    prepare: async (site) => {
      await addNeighbour(site);
      symlinkSync(of(site).pipe, site.pipe);
    },
    answer: ({ pipe }) =>
      refused(`pipe ${pipe} cannot be opened: a symbolic link is in the way`, false),
  },
  {
    it: "a hard link to the FIFO of another is refused",
    fifo: "absent",
    prepare: async (site) => {
      await addNeighbour(site);
      linkSync(of(site).pipe, site.pipe);
    },
    answer: ({ pipe }) => refused(`pipe ${pipe} has more than one hard link`, false),
    check: ({ pipe }) => unlinkSync(pipe),
  },
  {
    it: "the FIFO of another that is closing is refused as long as it has a writer",
    fifo: "absent",
    prepare: async (site) => {
      const neighbour = await site.addNeighbour();
      await neighbour.removeNodes();
    },
    nodes: (site) => ({ pipe: of(site).pipe }),
    answer: (site) => refused(fifoOf(site), false),
  },
  {
    it: "one that was refused for the FIFO of another is served with its own",
    prepare: addNeighbour,
    nodes: (site) => ({ pipe: of(site).pipe }),
    answer: (site) => refused(fifoOf(site), false),
    steps: [
      {
        nodes: ({ pipe }) => ({ pipe, state: undefined, error: undefined }),
        answer: () => accepted,
      },
    ],
  },
  {
    it: "one that is served and names the FIFO of another goes on with its own",
    prepare: addNeighbour,
    answer: () => accepted,
    steps: [
      {
        nodes: (site) => ({ pipe: of(site).pipe }),
        answer: (site) => ({
          kind: "goesOn",
          error: `pipe is ${quoted(of(site).pipe)}; a request that is served keeps its pipe, ${quoted(site.pipe)}: make a new request for another`,
        }),
      },
    ],
  },
];

/** Requests that name the log of the neighbour; their own FIFO is drained. */
const logs: readonly Row[] = [
  {
    // contract: C72
    it: "the log of another is refused",
    prepare: addNeighbour,
    nodes: (site) => ({ file: of(site).file }),
    answer: (site) => refused(`file ${of(site).file} is the log of ${of(site).key} already`),
  },
  {
    it: "the log of another with a smaller bound is refused, and shortens nothing",
    prepare: async (site) => {
      await addNeighbour(site);
      for (let round = 0; round < 4; round += 1) await of(site).logsOn();
    },
    nodes: (site) => ({ file: of(site).file, limit: "4096", copies: "0" }),
    answer: (site) => refused(`file ${of(site).file} is the log of ${of(site).key} already`),
  },
  {
    it: "the log of another with a wrong limit is refused for that",
    prepare: addNeighbour,
    nodes: (site) => ({ file: of(site).file, limit: "0" }),
    answer: () => refused(`limit is "0"; ${limitRule}`),
  },
  ...[".1", ".2", ".77"].map(
    (suffix): Row => ({
      it: `the copy ${suffix} of another is refused`,
      prepare: addNeighbour,
      nodes: (site) => ({ file: `${of(site).file}${suffix}` }),
      answer: (site) =>
        refused(
          `file is ${quoted(`${of(site).file}${suffix}`)}; its name must not end in a number, as rotated files do`,
        ),
    }),
  ),
  {
    it: "the side file of another is refused",
    prepare: addNeighbour,
    nodes: ({ log }) => ({ file: `${log}/.neighbour.log.xenlogd` }),
    answer: ({ log }) =>
      refused(
        `file is ${quoted(`${log}/.neighbour.log.xenlogd`)}; its name must not begin with a dot`,
      ),
  },
  {
    it: "a file below the log of another is refused",
    prepare: addNeighbour,
    nodes: (site) => ({ file: `${of(site).file}/x.log` }),
    answer: (site) =>
      refused(`the log directory ${of(site).file} cannot be opened: it is not a directory`),
  },
  {
    it: "a link to the log of another is refused",
    prepare: async (site) => {
      await addNeighbour(site);
      symlinkSync(of(site).file, site.file);
    },
    answer: () => refused("the log x.log cannot be opened: a symbolic link is in the way"),
  },
  {
    it: "a hard link to the log of another is refused",
    prepare: async (site) => {
      await addNeighbour(site);
      linkSync(of(site).file, site.file);
    },
    nodes: () => ({ limit: "4096", copies: "0" }),
    answer: (site) => refused(`file ${site.file} is the log of ${of(site).key} already`),
    check: ({ file }) => unlinkSync(file),
  },
  {
    it: "a log whose name begins like that of another is taken, and cuts its own files only",
    prepare: addNeighbour,
    nodes: ({ log }) => ({ file: `${log}/neighbour`, limit: "4096", copies: "0" }),
    answer: () => accepted,
    changes: ["neighbour"],
  },
];

/** A FIFO that is drained because a request was refused belongs to the first that is served. */
const drained: readonly Row[] = [
  {
    it: "a request that was refused is removed and made again with the same FIFO: no byte is lost",
    nodes: () => ({ limit: "x" }),
    answer: () => refused(`limit is "x"; ${limitRule}`),
    steps: [
      {
        // The answer goes with the rest, as xenstore-rm of the directory does.
        nodes: () => ({ pipe: undefined, state: undefined, error: undefined }),
        answer: () => ({ kind: "waits" }),
      },
      { nodes: ({ pipe }) => ({ pipe, limit: "65536" }), answer: () => accepted },
    ],
  },
  {
    it: "another request has the FIFO of one that was refused: no byte is lost",
    prepare: async (site) => {
      const client = await site.daemon.xenstore();
      const base = `/libxl/${site.domid}/logging/2`;
      site.otherBases.push(base);
      const nodes = { pipe: site.pipe, file: `${site.log}/y.log`, limit: "x", copies: "2" };
      await client.transaction(async (transaction) => {
        for (const [name, value] of Object.entries(nodes))
          await transaction.write(`${base}/${name}`, value);
      });
      while (!(await client.exists(`${base}/state`)))
        await new Promise((resolve) => setTimeout(resolve, 2));
    },
    answer: () => accepted,
  },
];

export const neighbours: Kind = {
  kind: "neighbours",
  rows: [...fifoRows, ...placeRows, ...names, ...logs, ...drained],
};
