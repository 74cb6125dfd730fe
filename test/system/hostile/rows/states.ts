// SPDX-License-Identifier: Apache-2.0
// `state` and `error` written by somebody else than the daemon, and values that are written again
// while a request is served.

import { accepted, type Kind, quoted, type Row, refused, waits } from "../table.ts";

const limitRule = "it must be a whole number of bytes from 4096 to 9007199254740991";

/** What the nodes say must stay. */
function goesOn(error?: string): { readonly kind: "goesOn"; readonly error: string | undefined } {
  return { kind: "goesOn", error };
}

export const states: Kind = {
  kind: "state and error of a toolstack",
  rows: [
    ...["ready", "", "READY", "ready\n", "pending", "closed"].map(
      (state): Row => ({
        it: `state ${quoted(state)} in a new request: it is served`,
        nodes: () => ({ state }),
        answer: () => accepted,
      }),
    ),
    {
      // contract: C44
      it: "state failed in a new request is taken for the daemon's own answer",
      nodes: () => ({ state: "failed" }),
      answer: () => refused(undefined),
    },
    {
      it: "error in a new request goes with its answer",
      nodes: () => ({ error: "nonsense" }),
      answer: () => accepted,
    },
    {
      it: "error in a wrong request is replaced by the daemon's",
      nodes: () => ({ error: "nonsense", limit: "x" }),
      answer: () => refused(`limit is "x"; ${limitRule}`),
    },
    {
      it: "state ready in a wrong request is corrected",
      nodes: () => ({ state: "ready", limit: "x" }),
      answer: () => refused(`limit is "x"; ${limitRule}`),
    },
    ...["failed", "", "READY", "closed"].map(
      (state): Row => ({
        // contract: C44
        it: `state ${quoted(state)} in a served request ends no epoch: the daemon knows what it served`,
        answer: () => accepted,
        steps: [{ nodes: () => ({ state }), answer: () => goesOn() }],
      }),
    ),
    {
      it: "state failed and a wrong value in a served request: it goes on with what it had",
      answer: () => accepted,
      steps: [
        {
          nodes: () => ({ state: "failed", limit: "x" }),
          answer: () => goesOn(`limit is "x"; ${limitRule}`),
        },
      ],
    },
    {
      // contract: C45
      it: "state removed from a served request is a new epoch",
      answer: () => accepted,
      steps: [{ nodes: () => ({ state: undefined }), answer: () => accepted }],
    },
    {
      it: "error written beside ready goes",
      answer: () => accepted,
      steps: [{ nodes: () => ({ error: "nonsense" }), answer: () => goesOn() }],
    },
    {
      it: "state ready in a refused request is taken back",
      nodes: () => ({ limit: "x" }),
      answer: () => refused(`limit is "x"; ${limitRule}`),
      steps: [
        { nodes: () => ({ state: "ready" }), answer: () => refused(`limit is "x"; ${limitRule}`) },
      ],
    },
    {
      // contract: C86
      it: "a refused request is answered once: a corrected value alone changes nothing",
      nodes: () => ({ limit: "x" }),
      answer: () => refused(`limit is "x"; ${limitRule}`),
      steps: [
        { nodes: () => ({ limit: "65536" }), answer: () => refused(`limit is "x"; ${limitRule}`) },
      ],
    },
    {
      // contract: C43
      it: "a refused request that is corrected and loses its state is served, to the byte",
      nodes: () => ({ limit: "x" }),
      answer: () => refused(`limit is "x"; ${limitRule}`),
      steps: [{ nodes: () => ({ limit: "65536", state: undefined }), answer: () => accepted }],
    },
    {
      it: "a refused request whose pipe goes waits",
      nodes: () => ({ limit: "x", state: undefined }),
      answer: () => refused(`limit is "x"; ${limitRule}`),
      steps: [
        {
          nodes: () => ({ pipe: undefined, state: undefined, error: undefined }),
          answer: () => waits,
        },
      ],
    },
  ],
};

/** Written again while `state` is `ready`. */
const wrongChanges: readonly (readonly [string, string, string])[] = [
  ["limit", "0", `limit is "0"; ${limitRule}`],
  ["limit", "", `limit is ""; ${limitRule}`],
  ["limit", "065536", `limit is "065536"; ${limitRule}, without leading zeros`],
  ["copies", "1001", 'copies is "1001"; it must be a whole number from 0 to 1000'],
  [
    "copies",
    "02",
    'copies is "02"; it must be a whole number from 0 to 1000, without leading zeros',
  ],
  ["overflow", "never", 'overflow is "never"; it must be auto, block or drop'],
  [
    "overflow",
    "drop",
    'overflow is "drop"; a request that is served keeps its overflow, "auto": make a new request for another',
  ],
  ["rate", "-1", 'rate is "-1"; it must be a whole number of bytes from 1 to 9007199254740991'],
  ["log", "a/b", 'log is "a/b"; it must not contain a slash'],
  ["file", "x.log", 'file is "x.log"; it must be an absolute path'],
];

export const changes: Kind = {
  kind: "changes of what is served",
  rows: [
    ...wrongChanges.map(
      ([node, value, error]): Row => ({
        it: `${node} ${quoted(value)} is said beside ready, and used by nobody`,
        answer: () => accepted,
        steps: [{ nodes: () => ({ [node]: value }), answer: () => goesOn(error) }],
      }),
    ),
    {
      it: "another file is said beside ready",
      answer: () => accepted,
      steps: [
        {
          nodes: ({ log }) => ({ file: `${log}/y.log` }),
          answer: ({ log, file }) =>
            goesOn(
              `file is "${log}/y.log"; a request that is served keeps its file, "${file}": make a new request for another`,
            ),
        },
      ],
    },
    {
      it: "another pipe is said beside ready",
      answer: () => accepted,
      steps: [
        {
          nodes: ({ run }) => ({ pipe: `${run}/z-0123456789abcdef` }),
          answer: ({ run, pipe }) =>
            goesOn(
              `pipe is "${run}/z-0123456789abcdef"; a request that is served keeps its pipe, "${pipe}": make a new request for another`,
            ),
        },
      ],
    },
    {
      it: "another limit is used at once, and what was said goes",
      answer: () => accepted,
      steps: [
        { nodes: () => ({ limit: "x" }), answer: () => goesOn(`limit is "x"; ${limitRule}`) },
        { nodes: () => ({ limit: "131072", copies: "1" }), answer: () => goesOn() },
      ],
    },
    {
      // contract: C51
      it: "a parameter that goes is waited for",
      answer: () => accepted,
      steps: [
        { nodes: () => ({ limit: undefined }), answer: () => goesOn() },
        { nodes: () => ({ limit: "65536" }), answer: () => goesOn() },
      ],
    },
    {
      // contract: C58
      it: "a product that cannot be counted is said beside ready",
      answer: () => accepted,
      steps: [
        {
          nodes: () => ({ limit: "9007199254740991", copies: "1" }),
          answer: () =>
            goesOn(
              "limit 9007199254740991 and copies 1 allow more than 9007199254740991 bytes on disk; make one of them smaller",
            ),
        },
      ],
    },
  ],
};
