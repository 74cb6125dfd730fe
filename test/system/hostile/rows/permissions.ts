// SPDX-License-Identifier: Apache-2.0
// A request is an order to write files as root: its directory and its nodes belong to domain 0, and
// no other domain may write them.

import { accepted, type Kind, type Row } from "../table.ts";

const untrusted: readonly (readonly [string, string])[] = [
  ["n5", "domain 5 owns it"],
  ["r5,n0", "domain 5 owns it"],
  ["b5,b0", "domain 5 owns it"],
  ["n7", "domain 7 owns it"],
  ["n0,w5", "domain 5 may write it"],
  ["n0,b5", "domain 5 may write it"],
  ["r0,r1,r2,b32751", "domain 32751 may write it"],
  ["w0", "every domain may write it"],
  ["b0", "every domain may write it"],
  ["b0,r5", "every domain may write it"],
];

const nodes = ["", "pipe", "file", "limit", "copies"];

export const permissions: Kind = {
  kind: "owners and permissions",
  rows: [
    // Each node once with each permission would say no more than this.
    ...untrusted.map(([permission, reason], index): Row => {
      const node = nodes[index % nodes.length] ?? "";
      return untrustedRow(node, permission, reason);
    }),
    ...["overflow", "rate", "burst", "log", "state", "error"].map((node) =>
      untrustedRow(node, "n0,b5", "domain 5 may write it", valueFor(node)),
    ),
    {
      ...untrustedRow("limit", "n0,b7", "domain 7 may write it"),
      it: "a wrong value in a node that another domain may write is not answered either",
      nodes: () => ({ limit: "-1" }),
    },
    ...["n0", "r0", "n0,r5", "r0,n5", "n0,w0", "n0,b0", "n0,r1,r2,r3,r4"].map(
      (permission): Row => ({
        it: `every node with ${permission} is a request: others may read at most`,
        permissions: Object.fromEntries(nodes.map((node) => [node, permission])),
        answer: () => accepted,
      }),
    ),
    {
      it: "a node that the contract does not know may be anybody's",
      nodes: () => ({ note: "x" }),
      permissions: { note: "b5" },
      answer: () => accepted,
    },
  ],
};

/** What the toolstack has written where the daemon's answer would be. */
const answers: Readonly<Record<string, string>> = { state: "x", error: "no answer: x" };

function untrustedRow(node: string, permission: string, reason: string, value?: string): Row {
  return {
    // contract: C25, C82
    it: `${node === "" ? "the directory" : node} with ${permission} is never answered`,
    ...(value === undefined ? {} : { nodes: () => ({ [node]: value }) }),
    permissions: { [node]: permission },
    answer: () => ({ kind: "untrusted", node, reason, stays: answers[node] ?? "no answer" }),
  };
}

function valueFor(node: string): string {
  const values: Readonly<Record<string, string>> = {
    overflow: "auto",
    log: "x",
    state: "x",
    error: "x",
  };
  return values[node] ?? "65536";
}
