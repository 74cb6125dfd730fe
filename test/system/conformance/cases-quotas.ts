// SPDX-License-Identifier: Apache-2.0
// What one domain may use, with the servers' own defaults; dom0 may use more.

import { type Case, notPlayed, otherwise, type Row } from "./case-language.ts";

const guest: readonly Row[] = [
  ["xen START 5"],
  ["a INTRODUCE 5|5|2005|", "a< OK"],
  ["a MKDIR /local/domain/5|", "a< OK"],
  ["a SET_PERMS /local/domain/5|n5|", "a< OK"],
];

/** Many of a kind in one piece: `{}` is the number of each. */
function many(client: string, request: string, count: number, reply: string): Row {
  const numbers = Array.from({ length: count }, (_, number) => number);
  const requests = numbers.map((number) => request.replace("{}", String(number)));
  const replies = numbers.map((number) => `${client}< ${reply.replace("{}", String(number + 1))}`);
  return [`${client} ${requests.join(" & ")}`, ...replies];
}

/** With the domain's own directory 1000 nodes. Spread, since a directory is bounded by its names. */
const nodes999 = `d5 ${Array.from({ length: 20 }, (_, directory) => {
  const count = directory === 0 ? 48 : 49;
  return Array.from({ length: count }, (__, leaf) => `WRITE n${directory}/${leaf}|`);
})
  .flat()
  .join(" & ")}`;

export const quotas: readonly Case[] = [
  {
    name: "nodes: 1000 owned by one domain",
    rows: [
      ...guest,
      [nodes999, ...Array.from({ length: 979 }, () => "d5< OK")],
      ["d5 WRITE last|", "d5< !ENOSPC", otherwise("quota-is-equota", "d5< !EQUOTA")],
      ["d5 RM n0/0|", "d5< OK"],
      ["d5 WRITE last|", "d5< OK"],
      ["d5 MKDIR more|", "d5< !ENOSPC", otherwise("quota-is-equota", "d5< !EQUOTA")],
      ["d5 WRITE n1/1|again", "d5< OK"],
      ["a WRITE /local/domain/5/by-dom0|", "a< OK"],
      ["d5 RM n3|", "d5< OK"],
      ["d5 WRITE more|", "d5< OK"],
    ],
  },
  {
    name: "watches: 128 of one domain, and one",
    rows: [
      ...guest,
      [
        `d5 ${Array.from({ length: 100 }, (_, number) => `WATCH w|${number}|`).join(" & ")}`,
        { anything: true },
      ],
      [
        `d5 ${Array.from({ length: 29 }, (_, number) => `WATCH w|${number + 100}|`).join(" & ")}`,
        { anything: true },
      ],
      ["d5 WATCH w|more|", "d5< !E2BIG", otherwise("quota-is-equota", "d5< !EQUOTA")],
      ["d5 UNWATCH w|5|", "d5< OK"],
      ["d5 WATCH w|more|", "d5< OK", "d5* w more"],
      ["d5 WATCH w|another|", "d5< !E2BIG", otherwise("quota-is-equota", "d5< !EQUOTA")],
    ],
  },
  {
    name: "transactions: 10 open at once, and one",
    rows: [
      ...guest,
      many("d5", "TRANSACTION_START |", 11, "{}|"),
      ["d5 TRANSACTION_START |", "d5< !ENOSPC", otherwise("quota-is-equota", "d5< !EQUOTA")],
      ["d5 TRANSACTION_END#3 F|", "d5< OK"],
      ["d5 TRANSACTION_START |", "d5< 12|"],
      many("a", "TRANSACTION_START |", 30, "{}|"),
    ],
  },
  {
    name: "the size of a node: value, permissions and names of children together",
    rows: [
      ...guest,
      [`d5 WRITE v|${"v".repeat(2015)}`, "d5< OK"],
      [`d5 WRITE v|${"v".repeat(2016)}`, "d5< !ENOSPC", notPlayed("node-size-is-the-value")],
      [
        `d5 WRITE v|${"v".repeat(2049)}`,
        "d5< !ENOSPC",
        otherwise("node-size-is-the-value", "d5< !E2BIG"),
      ],
      ["d5 READ v|", `d5< ${"v".repeat(2015)}`],
      ["d5 WRITE v/x|", "d5< !ENOSPC", otherwise("node-size-is-the-value", "d5< OK")],
      ["d5 WRITE v|short", "d5< OK"],
      ["d5 WRITE v/x|", "d5< OK"],
      ["d5 SET_PERMS v|n5|r1|", "d5< OK"],
    ],
  },
  {
    name: "permissions: 5 for a node",
    rows: [
      ...guest,
      ["d5 WRITE p|", "d5< OK"],
      ["d5 SET_PERMS p|n5|r1|r2|r3|r4|", "d5< OK"],
      [
        "d5 SET_PERMS p|n5|r1|r2|r3|r4|r6|",
        "d5< !ENOSPC",
        otherwise("quotas-of-c-alone", "d5< OK"),
      ],
      ["a SET_PERMS /local/domain/5/p|n5|r1|r2|r3|r4|r6|", "a< OK"],
    ],
  },
  {
    name: "a path: 2048 bytes below the domain's own",
    rows: [
      ...guest,
      [`d5 READ ${"p".repeat(2048)}|`, "d5< !ENOENT"],
      [`d5 READ ${"p".repeat(2049)}|`, "d5< !EINVAL"],
    ],
  },
  {
    name: "the nodes of one transaction: 1024, and it fails with what came too much",
    rows: [
      ...guest,
      ["d5 TRANSACTION_START |", "d5< 1|"],
      many("d5", "READ#1 none{}|", 1023, "!ENOENT"),
      ["d5 READ#1 one|", "d5< !ENOSPC", otherwise("quotas-of-c-alone", "d5< !ENOENT")],
      ["d5 TRANSACTION_END#1 T|", "d5< !ENOMEM", otherwise("quotas-of-c-alone", "d5< !EQUOTA")],
    ],
  },
  {
    name: "a node too many inside a transaction does not spoil it",
    rows: [
      ...guest,
      [nodes999, ...Array.from({ length: 979 }, () => "d5< OK")],
      ["d5 TRANSACTION_START |", "d5< 1|"],
      ["d5 WRITE#1 last|", "d5< !ENOSPC", otherwise("quota-is-equota", "d5< !EQUOTA")],
      ["d5 TRANSACTION_END#1 T|", "d5< OK"],
      ["d5 READ last|", "d5< !ENOENT"],
    ],
  },
  {
    name: "quotas can be asked for and set",
    rows: [
      ["xen START 5"],
      ["a INTRODUCE 5|5|2005|", "a< OK"],
      ["a GET_QUOTA nodes|", "a< !ENOSYS", otherwise("features-of-4.22", "a< 1000|")],
      ["a GET_QUOTA 5|watches|", "a< !ENOSYS", otherwise("features-of-4.22", "a< 128|")],
      ["a GET_QUOTA none|", "a< !ENOSYS", otherwise("features-of-4.22", "a< !EINVAL")],
      ["a GET_QUOTA 6|nodes|", "a< !ENOSYS", otherwise("features-of-4.22", "a< !ENOENT")],
      ["a GET_QUOTA 5|nodes|x|", "a< !ENOSYS", otherwise("features-of-4.22", "a< !EINVAL")],
      ["a SET_QUOTA 5|watches|1|", "a< !ENOSYS", otherwise("features-of-4.22", "a< OK")],
      ["a SET_QUOTA watches|", "a< !ENOSYS", otherwise("features-of-4.22", "a< !EINVAL")],
      ["a SET_QUOTA none|1|", "a< !ENOSYS", otherwise("features-of-4.22", "a< !EINVAL")],
      ["a GET_QUOTA 5|watches|", "a< !ENOSYS", otherwise("features-of-4.22", "a< 1|")],
      ["d5 GET_QUOTA nodes|", "d5< !ENOSYS", otherwise("features-of-4.22", "d5< !EACCES")],
      ["d5 SET_QUOTA nodes|1|", "d5< !ENOSYS", otherwise("features-of-4.22", "d5< !EACCES")],
    ],
  },
  {
    name: "features can be asked for, and set before the introduction",
    rows: [
      ["xen START 5"],
      ["a GET_FEATURE 6|", "a< !ENOSYS", otherwise("features-of-4.22", "a< !ENOENT")],
      ["a INTRODUCE 5|5|2005|", "a< OK"],
      ["a GET_FEATURE 5|", "a< !ENOSYS", otherwise("features-of-4.22", "a< 4|")],
      ["a GET_FEATURE 5|6|", "a< !ENOSYS", otherwise("features-of-4.22", "a< !EINVAL")],
      ["a SET_FEATURE 5|0|", "a< !ENOSYS", otherwise("features-of-4.22", "a< !EBUSY")],
      ["a SET_FEATURE 5|", "a< !ENOSYS", otherwise("features-of-4.22", "a< !EINVAL")],
      ["d5 GET_FEATURE 5|", "d5< !ENOSYS", otherwise("features-of-4.22", "d5< !EACCES")],
      ["d5 SET_FEATURE 5|0|", "d5< !ENOSYS", otherwise("features-of-4.22", "d5< !EACCES")],
    ],
  },
];
