// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { errorBytesMax, type LogNodes } from "../../../src/contract/index.ts";
import {
  type Action,
  type Desired,
  decide,
  type Present,
} from "../../../src/daemon/requests/decide.ts";

const complete: LogNodes = {
  pipe: "/run/xen/a-0123456789abcdef",
  file: "/var/log/xen/x.log",
  limit: "65536",
  copies: "3",
};
const open: Present = {
  epoch: "e1",
  pipe: "/run/xen/a-0123456789abcdef",
  phase: "open",
  nodes: "present",
  file: "/var/log/xen/x.log",
  limitBytes: 65536,
  copies: 3,
  overflow: "auto",
  rateBytesPerSecond: null,
  burstBytes: null,
  error: undefined,
};
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
      {
        kind: "nodes",
        nodes: { pipe: "/run/xen/a-0123456789abcdef", file: "/var/log/xen/x.log", limit: "65536" },
      },
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
      nodes({ pipe: "/run/xen/b-0123456789abcdef" }),
      [open],
      ["nodesGone", "open"],
    ],
    [
      "nodes that a guest may write are no request",
      {
        kind: "untrusted",
        node: { path: "/libxl/5/logging/1/pipe", reason: "domain 5 owns it" },
        nodes: {},
      },
      [open],
      ["nodesGone", "reportUntrusted"],
    ],
  ];
  for (const [name, desired, present, expected] of cases) {
    it(name, () => assert.deepEqual(kinds(decide(desired, present)), expected));
  }

  const badLimit = 'limit is "1"; it must be a whole number of bytes from 4096 to 9007199254740991';
  const kept = (name: string, now: string, before: string): string =>
    `${name} is "${now}"; a request that is served keeps its ${name}, "${before}": make a new request for another`;
  const note = (error: string | undefined, pipe = open.pipe): object => ({
    kind: "noteError",
    epoch: "e1",
    pipe,
    error,
  });
  const bound = (limitBytes: number, copies: number): object => ({
    kind: "reconfigure",
    epoch: "e1",
    request: {
      pipe: open.pipe,
      file: open.file,
      limitBytes,
      copies,
      overflow: "auto",
      rateBytesPerSecond: undefined,
      burstBytes: undefined,
      log: undefined,
    },
  });
  const back = { kind: "nodesBack", epoch: "e1" };
  const served: [string, LogNodes, Partial<Present>, object[]][] = [
    ["another limit is used at once", { limit: "4096" }, {}, [bound(4096, 3)]],
    ["other copies are used at once", { copies: "0" }, {}, [bound(65536, 0)]],
    [
      "the same number with a leading zero is a bad value",
      { limit: "065536" },
      {},
      [
        note(
          'limit is "065536"; it must be a whole number of bytes from 4096 to 9007199254740991, without leading zeros',
        ),
      ],
    ],
    ["a bad value changes nothing but error", { limit: "1" }, {}, [note(badLimit)]],
    ["which is said once", { limit: "1", error: badLimit }, { error: badLimit }, []],
    ["and again in the next daemon", { limit: "1", error: badLimit }, {}, [note(badLimit)]],
    ["and again when it was removed", { limit: "1" }, { error: badLimit }, [note(badLimit)]],
    ["a good value takes it back", { error: badLimit }, { error: badLimit }, [note(undefined)]],
    [
      "and may be another one",
      { limit: "4096", error: badLimit },
      { error: badLimit },
      [bound(4096, 3), note(undefined)],
    ],
    [
      "a bound that cannot be counted is refused",
      { limit: "9007199254740991" },
      {},
      [
        note(
          "limit 9007199254740991 and copies 3 allow more than 9007199254740991 bytes on disk; make one of them smaller",
        ),
      ],
    ],
    [
      "another file is refused, and what came with it",
      { file: "/var/log/xen/y.log", limit: "4096" },
      {},
      [note(kept("file", "/var/log/xen/y.log", "/var/log/xen/x.log"))],
    ],
    [
      "another overflow is refused",
      { overflow: "drop" },
      {},
      [note(kept("overflow", "drop", "auto"))],
    ],
    [
      "its default is a value like any other",
      {},
      { overflow: "drop" },
      [note(kept("overflow", "auto", "drop"))],
    ],
    [
      "another FIFO is refused, and the old one goes on",
      { pipe: "/run/xen/b-0123456789abcdef" },
      {},
      [
        note(
          kept("pipe", "/run/xen/b-0123456789abcdef", "/run/xen/a-0123456789abcdef"),
          "/run/xen/b-0123456789abcdef",
        ),
      ],
    ],
    [
      "what changed while the store was lost counts",
      { copies: "0" },
      { nodes: "lost" },
      [back, bound(65536, 0)],
    ],
    ["a stream that is being opened is not changed", { copies: "0" }, { phase: "opening" }, []],
  ];
  for (const [name, changes, stream, expected] of served) {
    it(`about one that is ready: ${name}`, () => {
      const desired = nodes({ state: "ready", ...changes });
      assert.deepEqual(decide(desired, [{ ...open, ...stream }]), expected);
    });
  }

  it("waits for a parameter of one that is ready to be written again", () => {
    const { limit: _limit, ...rest } = complete;
    assert.deepEqual(decide({ kind: "nodes", nodes: { ...rest, state: "ready" } }, [open]), []);
  });

  it("compares an error that was too long for a node with what there was room for", () => {
    const file = `/var/log/xen/${"\u202e".repeat(70)}`;
    const desired = { state: "ready", file } as const;
    const long = { ...open, file: `${file}2` };
    const [action] = decide(nodes(desired), [long]);
    assert.ok(action?.kind === "noteError" && action.error !== undefined);
    assert.equal(Buffer.byteLength(action.error), errorBytesMax);
    const { error } = action;
    assert.deepEqual(decide(nodes({ ...desired, error }), [{ ...long, error }]), []);
  });

  it("tells the toolstack what was wrong with which value", () => {
    const [action] = decide(nodes({ limit: "1" }), []);
    assert.deepEqual(action, {
      kind: "announce",
      pipe: "/run/xen/a-0123456789abcdef",
      answer: {
        state: "failed",
        error: 'limit is "1"; it must be a whole number of bytes from 4096 to 9007199254740991',
      },
    });
  });
});
