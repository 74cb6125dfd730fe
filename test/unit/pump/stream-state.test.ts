// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import type { OverflowRules } from "../../../src/pump/overflow-rules.ts";
import { intentOf, type StreamEvent, type StreamState } from "../../../src/pump/stream-state.ts";
import { transition } from "../../../src/pump/transition.ts";

const noSpace = { cause: "diskFull", reason: "no space" } as const;
const readOnly = { cause: "readOnly", reason: "read-only" } as const;
const noStage = { cause: "noStage", reason: "none is free" } as const;
const auto: OverflowRules = { graceMs: 5000, aboveRate: "wait" };
const logging = { kind: "logging" } as StreamState;
const lastWords: StreamState = { kind: "lastWords" };

describe("a stream in the pump", () => {
  const cases: [string, StreamState, StreamEvent, StreamState, string[]][] = [
    // contract: C69
    ["waits for the next writer", logging, { kind: "endOfFile" }, logging, ["reopen"]],
    ["hears the last words", logging, { kind: "nodesGone" }, lastWords, ["moveNow"]],
    ["looks whether they were all", lastWords, { kind: "moved" }, lastWords, ["moveSoon"]],
    [
      "closes after them",
      lastWords,
      { kind: "endOfFile" },
      { kind: "closed" },
      ["endTries", "close"],
    ],
    ["logs on when its nodes come back", lastWords, { kind: "nodesBack" }, logging, []],
    [
      "stops reading what it discards when no stage is free",
      { kind: "discarding" },
      { kind: "noStage", ...noStage },
      { kind: "discarding" },
      ["stopPolling", "beginTries"],
    ],
    [
      "reads again when one is",
      { kind: "discarding" },
      { kind: "accepted" },
      { kind: "discarding" },
      ["endTries", "startPolling", "moveNow"],
    ],
    [
      "stops reading when the file system refuses",
      logging,
      { kind: "writeFailed", ...noSpace },
      { kind: "stalled", nodes: "present", ...noSpace },
      ["stopPolling", "reportStalled", "beginTries", "startGrace"],
    ],
    [
      "says while stalled that there is another reason",
      { kind: "stalled", nodes: "gone", ...noSpace },
      { kind: "writeFailed", ...readOnly },
      { kind: "stalled", nodes: "gone", ...readOnly },
      ["reportStalled"],
    ],
    [
      "remembers while stalled that its nodes went",
      { kind: "stalled", nodes: "present", ...noSpace },
      { kind: "nodesGone" },
      { kind: "stalled", nodes: "gone", ...noSpace },
      [],
    ],
    [
      "goes on with its last words after a stall",
      { kind: "stalled", nodes: "gone", ...noSpace },
      { kind: "accepted" },
      lastWords,
      ["endTries", "reportResumed", "startPolling", "moveNow"],
    ],
    [
      "gives its file to the next owner",
      lastWords,
      { kind: "superseded" },
      { kind: "discarding" },
      ["moveNow"],
    ],
    [
      "does not give it away while bytes are stuck",
      { kind: "stalled", nodes: "gone", ...noSpace },
      { kind: "superseded" },
      { kind: "stalled", nodes: "gone", ...noSpace },
      [],
    ],
    [
      "drops what it has, and what comes, when the grace is over",
      { kind: "stalled", nodes: "present", ...noSpace },
      { kind: "graceOver" },
      { kind: "dropping", nodes: "present", ...noSpace },
      ["reportDropping", "dropStaged", "startPolling", "moveNow"],
    ],
    [
      "goes on dropping under the first cause when there is another reason",
      { kind: "dropping", nodes: "present", ...noSpace },
      { kind: "writeFailed", ...readOnly },
      { kind: "dropping", nodes: "present", cause: "diskFull", reason: "read-only" },
      ["reportStalled", "startPolling"],
    ],
    [
      "does not read what it cannot drop either",
      { kind: "dropping", nodes: "present", ...noSpace },
      { kind: "noStage", ...noStage },
      { kind: "dropping", nodes: "present", ...noSpace },
      ["stopPolling"],
    ],
    [
      "logs again as soon as the log takes bytes",
      { kind: "dropping", nodes: "present", ...noSpace },
      { kind: "accepted" },
      logging,
      ["endTries", "reportResumed", "startPolling", "moveNow"],
    ],
    [
      "waits for the next writer while it drops",
      { kind: "dropping", nodes: "present", ...noSpace },
      { kind: "endOfFile" },
      { kind: "dropping", nodes: "present", ...noSpace },
      ["reopen"],
    ],
    [
      "looks for the last writer's end while it drops",
      { kind: "dropping", nodes: "present", ...noSpace },
      { kind: "nodesGone" },
      { kind: "dropping", nodes: "gone", ...noSpace },
      ["moveNow"],
    ],
    [
      "closes though its log takes nothing",
      { kind: "dropping", nodes: "gone", ...noSpace },
      { kind: "endOfFile" },
      { kind: "closed" },
      ["endTries", "close"],
    ],
    [
      "leaves its file to the next owner while it drops",
      { kind: "dropping", nodes: "gone", ...noSpace },
      { kind: "superseded" },
      { kind: "discarding" },
      ["endTries", "startPolling", "moveNow"],
    ],
    [
      "waits when more came than its rate permits",
      logging,
      { kind: "overRate", delayMs: 20 },
      { kind: "throttled" },
      ["stopPolling", "startRefill"],
    ],
    [
      "goes on when it may",
      { kind: "throttled" },
      { kind: "refilled" },
      logging,
      ["startPolling", "moveNow"],
    ],
    [
      "does not hold back last words",
      { kind: "throttled" },
      { kind: "nodesGone" },
      lastWords,
      ["endRefill", "startPolling", "moveNow"],
    ],
    [
      "stops counting its rate when its log refuses a line",
      { kind: "shedding" },
      { kind: "writeFailed", ...noSpace },
      { kind: "stalled", nodes: "present", ...noSpace },
      ["endRefill", "stopPolling", "reportStalled", "beginTries", "startGrace"],
    ],
    ["ends as closed", { kind: "closed" }, { kind: "nodesBack" }, { kind: "closed" }, []],
  ];
  for (const [name, state, event, next, effects] of cases) {
    it(name, () => {
      const result = transition(state, event, auto);
      assert.deepEqual(result.state, next);
      assert.deepEqual(
        result.effects.map((effect) => effect.kind),
        effects,
      );
    });
  }

  const overflows: [string, OverflowRules, StreamState["kind"], string[]][] = [
    // contract: C9
    [
      "waits for ever with block",
      { graceMs: undefined, aboveRate: "wait" },
      "stalled",
      ["stopPolling", "reportStalled", "beginTries"],
    ],
    [
      "drops at once with drop",
      { graceMs: 0, aboveRate: "drop" },
      "dropping",
      ["reportStalled", "beginTries", "reportDropping", "dropStaged", "startPolling", "moveNow"],
    ],
  ];
  for (const [name, grace, kind, effects] of overflows) {
    it(`whose log refuses bytes ${name}`, () => {
      const result = transition(logging, { kind: "writeFailed", ...noSpace }, grace);
      assert.deepEqual(result.state, { kind, nodes: "present", ...noSpace });
      assert.deepEqual(
        result.effects.map((effect) => effect.kind),
        effects,
      );
    });
  }

  it("is closed by nothing but the end of file, and only once its nodes are gone", () => {
    const kinds = [
      "writeFailed",
      "noStage",
      "accepted",
      "nodesGone",
      "nodesBack",
      "superseded",
      "moved",
      "endOfFile",
      "graceOver",
      "overRate",
      "refilled",
    ];
    const event = fc.constantFrom(...kinds).map((kind) => ({ kind }) as StreamEvent);
    void fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        let state: StreamState = logging;
        let nodes = "present";
        for (const event of events) {
          if (event.kind === "nodesGone") nodes = "gone";
          if (event.kind === "nodesBack" && state.kind !== "discarding") nodes = "present";
          const before: StreamState["kind"] = state.kind;
          state = transition(state, event, auto).state;
          if (state.kind === "closed" && before !== state.kind) {
            assert.equal(event.kind, "endOfFile");
            assert.equal(nodes, "gone");
          }
          if (state.kind === "closed") return;
        }
      }),
    );
  });
});

describe("the bytes of a stream", () => {
  // contract: C71
  it("go into its log, until another stream has that", () => {
    const writing: StreamState[] = [
      logging,
      lastWords,
      { kind: "stalled", nodes: "gone", ...noSpace },
    ];
    for (const state of writing) assert.deepEqual(intentOf(state), { kind: "write" });
    assert.deepEqual(intentOf({ kind: "throttled" }), { kind: "write" });
    assert.deepEqual(intentOf({ kind: "shedding" }), { kind: "discard", reason: "rate" });
    const dropping = intentOf({ kind: "dropping", nodes: "present", ...noSpace });
    assert.deepEqual(dropping, { kind: "discard", reason: "diskFull" });
    const discarding = intentOf({ kind: "discarding" });
    assert.deepEqual(discarding, { kind: "discard", reason: "superseded" });
  });

  it("have the same intent each time, so that a stage's note need not be written again", () => {
    assert.equal(intentOf(logging), intentOf(lastWords));
    assert.equal(intentOf({ kind: "discarding" }), intentOf({ kind: "discarding" }));
  });
});
