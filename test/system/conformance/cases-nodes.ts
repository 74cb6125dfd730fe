// SPDX-License-Identifier: Apache-2.0
// READ, WRITE, MKDIR, RM, DIRECTORY, DIRECTORY_PART and the permissions, as dom0.

import { type Case, notPlayed, otherwise, type Row } from "./case-language.ts";

const longName = "n".repeat(1000);
const badPaths = ["", "/a/", "/a//b", "//", "/a.b", "/a+b", "/a:b", "/a b", "/\u00e9"];
const manyNames = Array.from({ length: 60 }, (_, number) => `${"name".repeat(25)}-${number}`);

export const nodes: readonly Case[] = [
  {
    name: "a new store has little of its own",
    rows: [
      [
        "a DIRECTORY /|",
        "a< tool|",
        otherwise("special-paths-are-nodes", "a< @introduceDomain|@releaseDomain|local|tool|"),
      ],
      ["a DIRECTORY /tool|", "a< xenstored|"],
      ["a GET_PERMS /|", "a< n0|"],
      ["a GET_PERMS /tool/xenstored|", "a< n0|"],
      ["a WRITE /|root", "a< OK"],
      ["a READ /|", "a< root"],
      ["a WRITE /|", "a< OK"],
    ],
  },
  {
    name: "a write makes the parents, empty; a mkdir leaves what is there",
    rows: [
      ["a WRITE /a/b/c|value", "a< OK"],
      ["a READ /a/b/c|", "a< value"],
      ["a READ /a/b|", "a< "],
      ["a MKDIR /a/b/c|", "a< OK"],
      ["a READ /a/b/c|", "a< value"],
      ["a MKDIR /a/d|", "a< OK"],
      ["a DIRECTORY /a|", "a< b|d|"],
      ["a DIRECTORY /a/d|", "a< "],
      ["a WRITE /a/b/c|", "a< OK"],
      ["a READ /a/b/c|", "a< "],
      ["a WRITE /a|x|y", "a< OK"],
      ["a READ /a|", "a< x|y"],
      ["a READ /a/none|", "a< !ENOENT"],
      ["a DIRECTORY /a/none|", "a< !ENOENT"],
      ["a GET_PERMS /none/a|", "a< !ENOENT"],
    ],
  },
  {
    name: "a removal takes the subtree, and forgives a missing node below an existing one",
    rows: [
      ["a WRITE /a/b/c|x", "a< OK"],
      ["a RM /a/b|", "a< OK"],
      ["a READ /a/b/c|", "a< !ENOENT"],
      ["a READ /a|", "a< "],
      ["a RM /a/b|", "a< OK"],
      ["a RM /a/b/c|", "a< !ENOENT"],
      ["a DIRECTORY /a|", "a< "],
    ],
  },
  {
    name: "a listing is in the order in which the nodes were made",
    rows: [
      ["a WRITE /d/b|", "a< OK"],
      ["a WRITE /d/a|", "a< OK"],
      ["a WRITE /d/c|", "a< OK"],
      ["a RM /d/b|", "a< OK"],
      ["a WRITE /d/b|", "a< OK"],
      ["a DIRECTORY /d|", "a< a|c|b|", otherwise("children-are-sorted", "a< a|b|c|")],
    ],
  },
  {
    name: "a relative path is below /local/domain/0",
    rows: [
      ["a WRITE rel/x|v", "a< OK"],
      ["a READ /local/domain/0/rel/x|", "a< v"],
      ["a READ rel/x|", "a< v"],
      ["a RM rel|", "a< OK"],
      ["a READ /local/domain/0/rel/x|", "a< !ENOENT"],
    ],
  },
  {
    name: "the root is not removed",
    rows: [
      ["a RM /|", "a< !EINVAL", notPlayed("root-is-removed")],
      ["a READ /|", "a< "],
    ],
  },
  {
    name: "permissions are inherited, replaced as a list, and owned by domains that exist",
    rows: [
      ["a WRITE /a|", "a< OK"],
      ["a GET_PERMS /a|", "a< n0|"],
      ["a SET_PERMS /a|n0|r5|", "a< OK"],
      ["a GET_PERMS /a|", "a< n0|r5|"],
      ["a WRITE /a/b/c|x", "a< OK"],
      ["a GET_PERMS /a/b/c|", "a< n0|r5|"],
      ["a SET_PERMS /a|n5|", "a< !ENOENT", otherwise("any-domain-may-own", "a< OK")],
      ["a SET_PERMS /a|b0|w1|r2|n3|b4|", "a< OK"],
      ["a GET_PERMS /a|", "a< b0|w1|r2|n3|b4|"],
      ["a SET_PERMS /nope|n0|", "a< !ENOENT"],
    ],
  },
  {
    name: "permissions that are none",
    rows: [
      ["a WRITE /a|", "a< OK"],
      ["a SET_PERMS /a|", "a< !EINVAL"],
      ["a SET_PERMS /a|x0|", "a< !EINVAL"],
      ["a SET_PERMS /a|n|", "a< !EINVAL"],
      ["a SET_PERMS /a|nx|", "a< !EINVAL"],
      ["a SET_PERMS /a|n0", "a< !EINVAL"],
      ["a SET_PERMS /a|0|", "a< !EINVAL"],
      ["a GET_PERMS /a|", "a< n0|"],
    ],
  },
  {
    name: "paths that are none, in every request",
    rows: badPaths.flatMap((path): Row[] => [
      ...["READ", "DIRECTORY", "GET_PERMS", "MKDIR", "RM"].map(
        (name): Row => [`a ${name} ${path}|`, "a< !EINVAL"],
      ),
      [`a WRITE ${path}|x`, "a< !EINVAL"],
      [`a SET_PERMS ${path}|n0|`, "a< !EINVAL"],
      [`a DIRECTORY_PART ${path}|0|`, "a< !EINVAL", otherwise("no-directory-part", "a< !ENOSYS")],
    ]),
  },
  {
    name: "a special path names no node",
    rows: [
      ["a READ @x|", "a< !EINVAL", otherwise("special-paths-are-nodes", "a< !ENOENT")],
      ["a DIRECTORY @x|", "a< !EINVAL", otherwise("special-paths-are-nodes", "a< !ENOENT")],
      ["a GET_PERMS @x|", "a< !EINVAL", otherwise("special-paths-are-nodes", "a< !ENOENT")],
      ["a WRITE @x|x", "a< !EINVAL", notPlayed("special-paths-are-nodes")],
      ["a MKDIR @x|", "a< !EINVAL", notPlayed("special-paths-are-nodes")],
      ["a RM @x|", "a< !EINVAL", notPlayed("special-paths-are-nodes")],
      ["a SET_PERMS @x|n0|", "a< !EINVAL", notPlayed("special-paths-are-nodes")],
    ],
  },
  {
    name: "how long a path may be",
    rows: [
      [`a WRITE /${longName}|x`, "a< OK"],
      [`a READ /${longName}|`, "a< x"],
      [`a READ /${"p".repeat(2047)}|`, "a< !ENOENT"],
      [`a READ /${"p".repeat(2048)}|`, "a< !EINVAL"],
      [`a READ /local/domain/7/${"p".repeat(2048)}|`, "a< !ENOENT"],
      [`a READ /local/domain/7/${"p".repeat(2049)}|`, "a< !EINVAL"],
      [`a READ ${"p".repeat(2048)}|`, "a< !ENOENT"],
      [`a READ ${"p".repeat(2049)}|`, "a< !EINVAL"],
    ],
  },
  {
    name: "how long a value may be",
    rows: [
      [`a WRITE /a|${"v".repeat(2048)}`, "a< OK"],
      [`a WRITE /a|${"v".repeat(4093)}`, "a< OK", otherwise("values-of-2048-bytes", "a< !E2BIG")],
      ["a WRITE /b|last", "a< OK"],
      ["a READ /b|", "a< last"],
    ],
  },
  {
    name: "a value holds any bytes",
    rows: [
      ["a WRITE /a|||\u0001\u00ff\n", "a< OK"],
      ["a READ /a|", "a< ||\u0001\u00ff\n"],
    ],
  },
  {
    name: "names that fill more than one message are listed in parts",
    rows: [
      ...manyNames.map((name): Row => [`a WRITE /big/${name}|`, "a< OK"]),
      ["a DIRECTORY /big|", "a< !E2BIG", otherwise("long-replies", `a< ${sortedNames()}`)],
      ["a DIRECTORY_PART /big|99999|", "a< <n>||", otherwise("no-directory-part", "a< !ENOSYS")],
      ["a DIRECTORY_PART /big/none|0|", "a< !ENOENT", otherwise("no-directory-part", "a< !ENOSYS")],
      ["a DIRECTORY_PART /big|", "a< !EINVAL", otherwise("no-directory-part", "a< !ENOSYS")],
    ],
  },
];

function sortedNames(): string {
  return [...manyNames]
    .sort()
    .map((name) => `${name}|`)
    .join("");
}
