// SPDX-License-Identifier: Apache-2.0
// Frames of every wrong shape. What is not a frame at all is written in bytes.

import { type Case, notPlayed, otherwise, type Row } from "./case-language.ts";

const hex = (type: number, payload: string, claimedBytes?: number): string => {
  const bytes = Buffer.from(payload.replaceAll("|", "\0"), "latin1");
  const header = Buffer.alloc(16);
  header.writeUInt32LE(type, 0);
  header.writeUInt32LE(claimedBytes ?? bytes.length, 12);
  return Buffer.concat([header, bytes]).toString("hex");
};

const read = 2;
const write = 11;

/** A client that the server must drop beside one that it must not. */
function dropped(name: string, bytes: string): Case {
  return {
    name,
    rows: [
      ["b WATCH /w|t|", "b< OK", "b* /w t"],
      [`a BYTES ${bytes}`, "a is dropped", notPlayed("claims-are-clamped")],
      ["b WRITE /w|v", "b* /w t", "b< OK"],
      ["c READ /w|", "c< v"],
    ],
  };
}

const oneString = [
  "DIRECTORY",
  "READ",
  "GET_PERMS",
  "MKDIR",
  "RM",
  "IS_DOMAIN_INTRODUCED",
  "GET_DOMAIN_PATH",
  "RELEASE",
  "RESUME",
];

/** 4.17 asks for the string and then reports whatever error was the last one. */
const stringRefused = (request: string): Row =>
  /^a (?:DIRECTORY|READ|GET_PERMS|MKDIR|RM)\b/.test(request)
    ? [request, "a< !EINVAL", otherwise("error-of-another-request", "a< !<error>")]
    : [request, "a< !EINVAL"];

export const badInput: readonly Case[] = [
  {
    name: "one string is wanted and there is none, one without its NUL, or two",
    rows: oneString.flatMap((name): Row[] => [
      stringRefused(`a ${name}`),
      stringRefused(`a ${name} /tool`),
      stringRefused(`a ${name} /tool|x|`),
    ]),
  },
  {
    name: "an empty string is no path; as a number it is 0",
    rows: [
      ...["DIRECTORY", "READ", "GET_PERMS", "MKDIR", "RM", "RELEASE", "RESUME"].map(
        (name): Row => [`a ${name} |`, "a< !EINVAL"],
      ),
      ["a IS_DOMAIN_INTRODUCED |", "a< T|", otherwise("errors-about-domains", "a< !EINVAL")],
      ["a GET_DOMAIN_PATH |", "a< /local/domain/0|"],
    ],
  },
  {
    name: "several strings are wanted and there are fewer, or more",
    rows: [
      ["a WRITE", "a< !EINVAL"],
      ["a WRITE /tool", "a< !EINVAL"],
      ["a WRITE |", "a< !EINVAL"],
      ["a WRITE |x", "a< !EINVAL"],
      ["a WATCH", "a< !EINVAL"],
      ["a UNWATCH", "a< !EINVAL"],
      ["a SET_PERMS", "a< !EINVAL"],
      ["a SET_PERMS /tool", "a< !EINVAL"],
      ["a INTRODUCE", "a< !EINVAL"],
      ["a INTRODUCE 5|", "a< !EINVAL"],
      ["a SET_TARGET 5|", "a< !EINVAL"],
      ["a TRANSACTION_END", "a< !EINVAL"],
      ["a DIRECTORY_PART /tool", "a< !EINVAL", otherwise("no-directory-part", "a< !ENOSYS")],
      ["a CONTROL", "a< !EINVAL", otherwise("control-says-ok", "a< OK")],
    ],
  },
  {
    name: "types that no server knows, and those that only a server sends",
    rows: [15, 16, 20, 27, 99, 0x7fffffff, 65535, 0xffffffff].map(
      (type): Row => [`a ${type} /tool|`, "a< !ENOSYS"],
    ),
  },
  {
    name: "every length of a frame up to its path's end",
    rows: Array.from({ length: 6 }, (_, length): Row => {
      const text = "/tool|".slice(0, length + 1);
      return length === 5 ? [`a READ ${text}`, "a< "] : stringRefused(`a READ ${text}`);
    }),
  },
  {
    name: "a payload of the greatest length, of a type that wants none",
    rows: [
      [`a TRANSACTION_START ${"x".repeat(4096)}`, { anything: true }],
      [`a 99 ${"x".repeat(4096)}`, "a< !ENOSYS"],
      [`a READ ${"x".repeat(4095)}|`, "a< !EINVAL"],
      ["a READ /tool|", "a< "],
    ],
  },
  {
    name: "bytes that are no text in a path",
    rows: [
      ["a READ /\u00ff\u00fe|", "a< !EINVAL"],
      ["a READ /\u0001|", "a< !EINVAL"],
      ["a READ /a\n|", "a< !EINVAL"],
      ["a WRITE /\u007f|x", "a< !EINVAL"],
      ["a WATCH /\u00ff|t|", "a< !EINVAL"],
    ],
  },
  dropped("a claim of 4097 bytes costs the connection", hex(read, "/tool|", 4097)),
  dropped("a claim of 100 MB costs the connection", hex(read, "/tool|", 100_000_000)),
  dropped("a claim of 4 GB costs the connection", hex(write, "", 0xffffffff)),
  {
    name: "what came before a claim that is too long is done",
    rows: [
      [
        `a BYTES ${hex(write, "/before|x")} ${hex(read, "", 4097)}`,
        { anything: true },
        notPlayed("claims-are-clamped"),
      ],
      ["b READ /before|", "b< x", notPlayed("claims-are-clamped")],
    ],
  },
  {
    name: "half a header and silence, half a payload and silence: others do not notice",
    rows: [
      ["a BYTES 0200", { anything: true }],
      [`b BYTES ${hex(read, "/to", 6)}`, { anything: true }],
      ["c WRITE /w|v", "c< OK"],
      ["a CLOSE"],
      [`b BYTES ${Buffer.from("ol\0").toString("hex")}`, { anything: true }],
      ["c READ /w|", "c< v"],
    ],
  },
  {
    name: "a frame in single bytes",
    rows: [
      [`a BYTES ${hex(write, "/w|v").match(/../g)?.join(" ")}`, "a< OK"],
      ["a READ /w|", "a< v"],
    ],
  },
  {
    name: "control requests that are none",
    rows: [
      ["a CONTROL check|", "a< OK"],
      ["a CONTROL nope|", "a< !EINVAL", otherwise("control-says-ok", "a< OK")],
      ["a CONTROL check|x|", "a< !EINVAL", otherwise("control-says-ok", "a< OK")],
      ["a CONTROL print|", "a< !EINVAL", otherwise("control-says-ok", "a< OK")],
      ["a CONTROL print|x|", "a< OK"],
    ],
  },
];
