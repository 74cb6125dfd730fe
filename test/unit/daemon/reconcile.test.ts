// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogNodes } from "../../../src/contract/index.ts";
import {
  type Action,
  type Desired,
  type Present,
  reconcile,
} from "../../../src/daemon/reconcile.ts";

const complete: LogNodes = {
  pipe: "/run/xen/a",
  file: "/var/log/xen/x.log",
  limit: "65536",
  copies: "3",
};
const open: Present = { epoch: "e1", pipe: "/run/xen/a", phase: "open", nodes: "present" };
const nodes = (changes: LogNodes): Desired => ({
  kind: "nodes",
  nodes: { ...complete, ...changes },
});

function kinds(actions: readonly Action[]): string[] {
  return actions.map((action) => action.kind);
}

describe("what to do about a log file", () => {
  const cases: [string, Desired, Present[], string[]][] = [
    ["a new request is opened", nodes({}), [], ["open"]],
    [
      "one that says ready but has no stream is opened again",
      nodes({ state: "ready" }),
      [],
      ["open"],
    ],
    ["one that failed has its FIFO drained", nodes({ state: "failed" }), [], ["drainRefused"]],
    [
      "one that lacks a parameter is waited for",
      { kind: "nodes", nodes: { pipe: "/run/xen/a", file: "/var/log/xen/x.log", limit: "65536" } },
      [],
      [],
    ],
    ["a bad one is answered", nodes({ limit: "1" }), [], ["announce"]],
    ["a stream that is ready needs nothing", nodes({ state: "ready" }), [open], []],
    ["a stream whose answer was removed is asked for anew", nodes({}), [open], ["renew"]],
    [
      "and is refused when its values are wrong now",
      nodes({ limit: "1" }),
      [open],
      ["nodesGone", "announce"],
    ],
    [
      "a store that lost the nodes closes nothing",
      { kind: "gone" },
      [{ ...open, nodes: "lost" }],
      [],
    ],
    [
      "nodes that are written again after that are answered again",
      nodes({}),
      [{ ...open, nodes: "lost" }],
      ["nodesBack", "announce"],
    ],
    ["a stream that is being opened is waited for", nodes({}), [{ ...open, phase: "opening" }], []],
    ["without nodes a stream hears its last words", { kind: "gone" }, [open], ["nodesGone"]],
    ["and is told so once", { kind: "gone" }, [{ ...open, nodes: "gone" }], []],
    [
      "nodes that come back for the same FIFO go on",
      nodes({ state: "ready" }),
      [{ ...open, nodes: "gone" }],
      ["nodesBack"],
    ],
    [
      "another FIFO under the same id is a new stream, and the old one ends",
      nodes({ pipe: "/run/xen/b" }),
      [open],
      ["nodesGone", "open"],
    ],
    [
      "nodes that a guest may write are no request",
      { kind: "untrusted", path: "/libxl/5/logging/1/pipe" },
      [open],
      ["nodesGone", "reportUntrusted"],
    ],
  ];
  for (const [name, desired, present, expected] of cases) {
    it(name, () => assert.deepEqual(kinds(reconcile(desired, present)), expected));
  }

  it("tells the toolstack what was wrong with which value", () => {
    const [action] = reconcile(nodes({ limit: "1" }), []);
    assert.deepEqual(action, {
      kind: "announce",
      pipe: "/run/xen/a",
      answer: {
        state: "failed",
        error: 'limit is "1"; it must be a whole number of bytes from 4096 to 9007199254740991',
      },
    });
  });
});
