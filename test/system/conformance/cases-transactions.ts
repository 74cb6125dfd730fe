// SPDX-License-Identifier: Apache-2.0
// Transactions: what is seen inside, and what conflicts.

import { type Case, otherwise } from "./case-language.ts";

/** Inside, then outside, then what the commit says. /p/y and /c exist. */
const conflicts: readonly (readonly [name: string, inside: string, outside: string])[] = [
  ["a node read and written that was written", "READ#1 /c| & WRITE#1 /c|a", "WRITE /c|b"],
  ["a node read and removed that was written", "READ#1 /c| & RM#1 /c|", "WRITE /c|b"],
  ["a directory listed and grown that grew", "DIRECTORY#1 /p| & WRITE#1 /p/x|", "WRITE /p/z|"],
];

/** Conflicts in C alone: oxenstored lets what only reads, or merges, pass. */
const strictConflicts: readonly (readonly [name: string, inside: string, outside: string])[] = [
  ["a written node that was written", "WRITE#1 /c|a", "WRITE /c|b"],
  ["a removed node that was written below", "RM#1 /p|", "WRITE /p/y|"],
  ["a read node that was written", "READ#1 /c|", "WRITE /c|new"],
  ["a read node that was written with the same value", "READ#1 /c|", "WRITE /c|"],
  ["a read node whose permissions were set", "READ#1 /c|", "SET_PERMS /c|n0|"],
  ["a read node that was removed", "READ#1 /c|", "RM /c|"],
  ["a missing node that was made", "READ#1 /new|", "WRITE /new|"],
  ["two children made below one node", "WRITE#1 /p/x|", "WRITE /p/z|"],
  ["a listed node that got a child", "DIRECTORY#1 /p|", "WRITE /p/z|"],
  ["a removed node whose parent got a child", "RM#1 /p/y|", "WRITE /p/z|"],
  ["a missing node beside one that was made", "READ#1 /p/no|", "WRITE /p/z|"],
];

const peaceful: readonly (readonly [name: string, inside: string, outside: string])[] = [
  ["a listed node whose child was written", "DIRECTORY#1 /p|", "WRITE /p/y|new"],
  ["a listed node whose child got a child", "DIRECTORY#1 /p|", "WRITE /p/y/z|"],
  ["a written child beside one that was made", "WRITE#1 /p/y|", "WRITE /p/z|"],
  ["disjoint nodes", "WRITE#1 /c|", "WRITE /p/z|"],
];

function conflictCase(
  [name, inside, outside]: readonly [string, string, string],
  verdict: "conflict" | "strict" | "none",
): Case {
  const end = "a TRANSACTION_END#1 T|";
  return {
    name: `${verdict === "none" ? "no conflict" : "a conflict"}: ${name}`,
    rows: [
      ["a WRITE /c|", "a< OK"],
      ["a WRITE /p/y|", "a< OK"],
      ["a TRANSACTION_START |", "a< 1|"],
      [`a ${inside}`, { anything: true }],
      [`b ${outside}`, "b< OK"],
      verdict === "none"
        ? [end, "a< OK"]
        : verdict === "conflict"
          ? [end, "a< !EAGAIN"]
          : [end, "a< !EAGAIN", otherwise("merging-transactions", "a< OK")],
      ["a READ#1 /tool|", "a< !ENOENT", otherwise("unknown-transaction-is-eio", "a< !EIO")],
    ],
  };
}

export const transactions: readonly Case[] = [
  {
    name: "ids count from 1 on each connection and mean nothing on another",
    rows: [
      ["a TRANSACTION_START |", "a< 1|"],
      ["a TRANSACTION_START |", "a< 2|"],
      ["b TRANSACTION_START |", "b< 1|"],
      ["b READ#2 /tool|", "b< !ENOENT", otherwise("unknown-transaction-is-eio", "b< !EIO")],
      ["a TRANSACTION_START#1 |", "a< !EBUSY"],
      ["a TRANSACTION_START#9 |", "a< !ENOENT", otherwise("unknown-transaction-is-eio", "a< !EIO")],
    ],
  },
  {
    name: "an end needs a verdict and a transaction, and takes the id with it",
    rows: [
      ["a TRANSACTION_END T|", "a< !ENOENT"],
      ["a TRANSACTION_START |", "a< 1|"],
      ["a TRANSACTION_END#1 x|", "a< !EINVAL"],
      ["a TRANSACTION_END#1 T|", "a< OK"],
      ["a TRANSACTION_END#1 T|", "a< !ENOENT", otherwise("unknown-transaction-is-eio", "a< !EIO")],
      ["a WRITE#1 /a|x", "a< !ENOENT", otherwise("unknown-transaction-is-eio", "a< !EIO")],
    ],
  },
  {
    name: "a verdict without its NUL ends nothing",
    rows: [
      ["a TRANSACTION_START |", "a< 1|"],
      ["a TRANSACTION_END#1 T", "a< !EINVAL", otherwise("verdict-without-nul", "a< OK")],
    ],
  },
  {
    name: "own changes are seen inside at once and outside after the commit",
    rows: [
      ["a TRANSACTION_START |", "a< 1|"],
      ["a WRITE#1 /a/b|in", "a< OK"],
      ["a READ#1 /a/b|", "a< in"],
      ["a DIRECTORY#1 /a|", "a< b|"],
      ["b READ /a/b|", "b< !ENOENT"],
      ["a TRANSACTION_END#1 T|", "a< OK"],
      ["b READ /a/b|", "b< in"],
      ["a TRANSACTION_START |", "a< 2|"],
      ["a RM#2 /a|", "a< OK"],
      ["a READ#2 /a/b|", "a< !ENOENT"],
      ["a TRANSACTION_END#2 F|", "a< OK"],
      ["b READ /a/b|", "b< in"],
    ],
  },
  {
    name: "another transaction of the same connection conflicts too",
    rows: [
      ["a WRITE /a|0", "a< OK"],
      ["a TRANSACTION_START |", "a< 1|"],
      ["a TRANSACTION_START |", "a< 2|"],
      ["a READ#1 /a|", "a< 0"],
      ["a READ#2 /a|", "a< 0"],
      ["a WRITE#1 /a|1", "a< OK"],
      ["a WRITE#2 /a|2", "a< OK"],
      ["a TRANSACTION_END#1 T|", "a< OK"],
      ["a TRANSACTION_END#2 T|", "a< !EAGAIN"],
      ["a READ /a|", "a< 1"],
    ],
  },
  {
    name: "a commit keeps what others changed elsewhere meanwhile",
    rows: [
      ["a WRITE /p/y|", "a< OK"],
      ["a TRANSACTION_START |", "a< 1|"],
      ["a WRITE#1 /p/y|in", "a< OK"],
      ["b WRITE /p/z|out", "b< OK"],
      ["a TRANSACTION_END#1 T|", "a< OK"],
      ["a DIRECTORY /p|", "a< y|z|"],
      ["a READ /p/y|", "a< in"],
    ],
  },
  {
    name: "a failed request inside does not spoil a transaction",
    rows: [
      ["a TRANSACTION_START |", "a< 1|"],
      ["a READ#1 /none|", "a< !ENOENT"],
      ["a WRITE#1 /a//b|", "a< !EINVAL"],
      ["a WRITE#1 /a|v", "a< OK"],
      ["a TRANSACTION_END#1 T|", "a< OK"],
      ["a READ /a|", "a< v"],
    ],
  },
  {
    name: "what was changed before it was touched is seen inside, and is no conflict",
    rows: [
      ["a WRITE /c|old", "a< OK"],
      ["a TRANSACTION_START |", "a< 1|"],
      ["b WRITE /c|new", "b< OK"],
      ["a READ#1 /c|", "a< new", otherwise("transactions-see-their-start", "a< old")],
      ["b WRITE /d|late", "b< OK"],
      ["a READ#1 /d|", "a< late", otherwise("transactions-see-their-start", "a< !ENOENT")],
      ["a TRANSACTION_END#1 T|", "a< OK"],
    ],
  },
  ...conflicts.map((row) => conflictCase(row, "conflict")),
  ...strictConflicts.map((row) => conflictCase(row, "strict")),
  ...peaceful.map((row) => conflictCase(row, "none")),
];
