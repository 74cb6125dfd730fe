// SPDX-License-Identifier: Apache-2.0
// `/var/run/xen` is the same directory as `/run/xen`: a FIFO or a log has one owner, however each
// request spells its path. For a daemon whose directories are below /run.

import type { Neighbour, Site } from "../site.ts";
import { accepted, type Kind, type Row, refused } from "../table.ts";

function of(site: Site): Neighbour {
  if (site.neighbour === undefined) throw new Error("the row has no neighbour");
  return site.neighbour;
}

async function addNeighbour(site: Site): Promise<void> {
  await site.addNeighbour();
}

const rows: readonly Row[] = [
  {
    it: "a FIFO below /var/run is taken",
    nodes: ({ pipe }) => ({ pipe: `/var${pipe}` }),
    answer: () => accepted,
  },
  {
    it: "a log below /var/run is taken",
    nodes: ({ file }) => ({ file: `/var${file}` }),
    answer: () => accepted,
  },
  {
    it: "a FIFO below /var/run/.. is refused",
    nodes: ({ pipe }) => ({ pipe: `/var/run/..${pipe}` }),
    answer: ({ pipe }) =>
      refused(`pipe is "/var/run/..${pipe}"; it must not contain . or .. as a component`, false),
  },
  {
    it: "the FIFO of another in the other spelling is refused, and takes no byte",
    fifo: "absent",
    prepare: addNeighbour,
    nodes: (site) => ({ pipe: `/var${of(site).pipe}` }),
    answer: (site) =>
      refused(`pipe /var${of(site).pipe} is the FIFO of ${of(site).key} already`, false),
  },
  {
    it: "a wrong request with the FIFO of another in the other spelling takes no byte",
    fifo: "absent",
    prepare: addNeighbour,
    nodes: (site) => ({ pipe: `/var${of(site).pipe}`, limit: "0" }),
    answer: () =>
      refused(
        'limit is "0"; it must be a whole number of bytes from 4096 to 9007199254740991',
        false,
      ),
  },
  {
    it: "the log of another in the other spelling is refused",
    prepare: addNeighbour,
    nodes: (site) => ({ file: `/var${of(site).file}` }),
    answer: (site) => refused(`file /var${of(site).file} is the log of ${of(site).key} already`),
  },
  {
    it: "the other spelling of its own pipe ends no epoch of a served request",
    answer: () => accepted,
    steps: [
      {
        nodes: ({ pipe }) => ({ pipe: `/var${pipe}` }),
        answer: ({ pipe }) => ({
          kind: "goesOn",
          error: `pipe is "/var${pipe}"; a request that is served keeps its pipe, "${pipe}": make a new request for another`,
        }),
      },
    ],
  },
];

export const spellings: Kind = { kind: "two spellings of one directory", rows };
