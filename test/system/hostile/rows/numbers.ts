// SPDX-License-Identifier: Apache-2.0
// limit, copies, rate and burst: decimal digits only, one spelling, within bounds.

import { accepted, type Kind, quoted, type Row, refused, titleOf } from "../table.ts";

interface NumberNode {
  readonly node: string;
  /** Why a value is refused. */
  readonly rule: string;
  readonly below: readonly string[];
  readonly above: readonly string[];
  readonly within: readonly string[];
}

const bytesMax = "9007199254740991";

const numberNodes: readonly NumberNode[] = [
  {
    node: "limit",
    rule: `it must be a whole number of bytes from 4096 to ${bytesMax}`,
    below: ["0", "1", "4095"],
    above: ["9007199254740992", "18446744073709551616", "9".repeat(60)],
    within: ["4096", "4097", "2147483648"],
  },
  {
    node: "copies",
    rule: "it must be a whole number from 0 to 1000",
    below: [],
    above: ["1001", "4294967296", "9".repeat(60)],
    within: ["0", "1", "1000"],
  },
  {
    node: "rate",
    rule: `it must be a whole number of bytes from 1 to ${bytesMax}`,
    below: ["0"],
    above: ["9007199254740992"],
    within: ["1000000", bytesMax],
  },
  {
    node: "burst",
    rule: `it must be a whole number of bytes from 1 to ${bytesMax}`,
    below: ["0"],
    above: ["9007199254740992"],
    within: ["65536", bytesMax],
  },
];

/** What strtol(3), Number() or a person takes for a number, and the contract does not. */
const notDigits: readonly string[] = [
  "",
  " ",
  "-1",
  "-0",
  "+8192",
  " 8192",
  "8192 ",
  "8192\n",
  "\t8192",
  "8192\0",
  "8192\r\n",
  "8192.0",
  "8192.",
  "8e3",
  "1E4",
  "0x2000",
  "0b1",
  "0o20000",
  "8_192",
  "8,192",
  "8192B",
  "64KiB",
  "1M",
  "NaN",
  "Infinity",
  "8192 8192",
  "\u0668\u0661\u0669\u0662",
  "\uff18\uff11\uff19\uff12",
];

/** One spelling a number: these have a second one. */
const leadingZeros: readonly string[] = ["00", "008192", "00000000000000000000000000008192"];

function rowsOf({ node, rule, below, above, within }: NumberNode): readonly Row[] {
  const sentence = (value: string): string => `${node} is ${quoted(value)}; ${rule}`;
  // `copies` of a thousand times the default limit can be counted, and so can a limit of 2^53 - 1.
  const nodes = (value: string) => () => ({ [node]: value });
  return [
    ...[...notDigits, ...below, ...above].map((value) => ({
      // contract: C15, C26
      it: `${node} ${titleOf(value)} is refused`,
      nodes: nodes(value),
      answer: () => refused(sentence(value)),
    })),
    ...leadingZeros.map((value) => ({
      it: `${node} ${titleOf(value)} is refused: no leading zeros`,
      nodes: nodes(value),
      answer: () => refused(`${sentence(value)}, without leading zeros`),
    })),
    ...within.map((value) => ({
      // contract: C7, C8, C29
      it: `${node} ${titleOf(value)} is taken`,
      nodes: nodes(value),
      answer: () => accepted,
    })),
  ];
}

const products: readonly Row[] = [
  ["9007199254740991", "1"],
  ["9007199254740991", "1000"],
  ["4503599627370496", "1"],
  ["8998201053688", "1000"],
].map(([limit = "", copies = ""]) => ({
  // contract: C16
  it: `limit ${limit} with copies ${copies} is refused: nobody could count it`,
  nodes: () => ({ limit, copies }),
  answer: () =>
    refused(
      `limit ${limit} and copies ${copies} allow more than ${bytesMax} bytes on disk; make one of them smaller`,
    ),
}));

const countable: readonly Row[] = [
  ["9007199254740991", "0"],
  ["4503599627370495", "1"],
  ["8998201053687", "1000"],
].map(([limit = "", copies = ""]) => ({
  it: `limit ${limit} with copies ${copies} is taken`,
  nodes: () => ({ limit, copies }),
  answer: () => accepted,
}));

export const numbers: Kind = {
  kind: "numbers",
  rows: [
    ...numberNodes.flatMap(rowsOf),
    ...products,
    ...countable,
    {
      it: "the first wrong node of several is the one that is named",
      nodes: () => ({ limit: "0", copies: "-1", rate: "x" }),
      answer: () =>
        refused(`limit is "0"; it must be a whole number of bytes from 4096 to ${bytesMax}`),
    },
    {
      it: "rate and burst together are taken",
      nodes: () => ({ rate: "1000000", burst: "65536" }),
      answer: () => accepted,
    },
  ],
};
