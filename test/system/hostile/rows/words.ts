// SPDX-License-Identifier: Apache-2.0
// overflow and log: a word of three, and a name that people type. What is missing, and what is
// beside the nodes of the contract.

import { accepted, type Kind, quoted, type Row, refused, titleOf, waits } from "../table.ts";

const overflowsRefused: readonly string[] = [
  "",
  "AUTO",
  "Drop",
  "auto ",
  " block",
  "block\n",
  "drop\0",
  "auto,drop",
  "none",
  "0",
  "dröp",
];

const overflows: readonly Row[] = [
  ...overflowsRefused.map((overflow) => ({
    it: `overflow ${titleOf(overflow)} is refused`,
    nodes: () => ({ overflow }),
    answer: () => refused(`overflow is ${quoted(overflow)}; it must be auto, block or drop`),
  })),
  ...["auto", "block", "drop"].map((overflow) => ({
    it: `overflow ${overflow} is taken`,
    nodes: () => ({ overflow }),
    answer: () => accepted,
  })),
];

const namesRefused: readonly (readonly [string, string])[] = [
  ["", "it must not be empty"],
  [".", "it must not begin with a dot"],
  ["..", "it must not begin with a dot"],
  [".hidden", "it must not begin with a dot"],
  ["a/b", "it must not contain a slash"],
  ["../../etc/passwd", "it must not begin with a dot"],
  ["/", "it must not contain a slash"],
  ["console\n", "it must not contain control characters"],
  ["con\u001b[2Jsole", "it must not contain control characters"],
  ["con\0sole", "it must not contain control characters"],
  ["console\u007f", "it must not contain control characters"],
  ["console\u009b31m", "it must not contain control characters"],
  ["con\u2028sole", "it must not contain control characters"],
  ["con\u2029sole", "it must not contain control characters"],
  ["a".repeat(65), "it must be at most 64 bytes long"],
  ["ä".repeat(33), "it must be at most 64 bytes long"],
  ["x".repeat(1500), "it must be at most 64 bytes long"],
  ["1", "a number means a log's id"],
  ["007", "a number means a log's id"],
  ["99999999999999999999", "a number means a log's id"],
];

const names: readonly Row[] = [
  ...namesRefused.map(([log, rule]) => ({
    // contract: C24
    it: `log ${titleOf(log)} is refused`,
    nodes: () => ({ log }),
    answer: () => refused(`log is ${quoted(log)}; ${rule}`),
  })),
  ...["a".repeat(64), "ä".repeat(32), "1e3", "-1", "qemu dm", '"', "host", "\u202egol"].map(
    (log) => ({
      it: `log ${titleOf(log)} is taken`,
      nodes: () => ({ log }),
      answer: () => accepted,
    }),
  ),
];

const missing: readonly Row[] = [
  ...["pipe", "file", "limit", "copies"].map((node) => ({
    // contract: C39, C104
    it: `without ${node} it waits, whatever the others say`,
    nodes: () => ({ limit: "0", copies: "-1", overflow: "nonsense", log: "..", [node]: undefined }),
    answer: () => waits,
  })),
  {
    it: "without any parameter it waits",
    nodes: () => ({
      pipe: undefined,
      file: undefined,
      limit: undefined,
      copies: undefined,
      log: "a",
    }),
    answer: () => waits,
  },
  {
    it: "incomplete with a wrong pipe it waits",
    nodes: () => ({ pipe: "../x", copies: undefined }),
    answer: () => waits,
  },
  {
    // contract: C40, C85
    it: "what was incomplete is answered when the missing node comes",
    nodes: () => ({ copies: undefined }),
    answer: () => waits,
    steps: [{ nodes: () => ({ copies: "1" }), answer: () => accepted }],
  },
  {
    it: "an incomplete one that becomes wrong is refused",
    nodes: () => ({ copies: undefined }),
    answer: () => waits,
    steps: [
      {
        nodes: () => ({ copies: "" }),
        answer: () => refused('copies is ""; it must be a whole number from 0 to 1000'),
      },
    ],
  },
  {
    // contract: C102
    it: "nodes that the contract does not know are nothing to it",
    nodes: () => ({ Limit: "0", "limit-": "x", version: "2", "pipe/x": "y", "unknown/pipe": "/" }),
    answer: () => accepted,
  },
];

export const words: Kind = { kind: "words", rows: [...overflows, ...names, ...missing] };
