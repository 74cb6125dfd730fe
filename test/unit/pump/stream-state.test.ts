// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import {
  intentOf,
  type StreamEvent,
  type StreamState,
  type Transition,
  transition,
} from "../../../src/pump/stream-state.ts";

const logging = { kind: "logging" } as StreamState;
const lastWords: StreamState = { kind: "lastWords" };

describe("a stream in the pump", () => {
  const cases: [string, StreamState, StreamEvent, StreamState, string[]][] = [
    // contract: C69
    ["waits for the next writer", logging, { kind: "endOfFile" }, logging, ["reopen"]],
    ["hears the last words", logging, { kind: "nodesGone" }, lastWords, ["moveNow"]],
    ["looks whether they were all", lastWords, { kind: "moved" }, lastWords, ["moveSoon"]],
    ["closes after them", lastWords, { kind: "endOfFile" }, { kind: "closed" }, ["close"]],
    ["logs on when its nodes come back", lastWords, { kind: "nodesBack" }, logging, []],
    [
      "stops reading what it discards when no stage is free",
      { kind: "discarding" },
      { kind: "noStage", reason: "none is free" },
      { kind: "discarding" },
      ["stopPolling", "retryAfter"],
    ],
    [
      "reads again when one is",
      { kind: "discarding" },
      { kind: "accepted" },
      { kind: "discarding" },
      ["startPolling", "moveNow"],
    ],
    [
      "stops reading when the file system refuses",
      logging,
      { kind: "writeFailed", reason: "no space" },
      { kind: "stalled", nodes: "present", attempt: 0, reason: "no space" },
      ["stopPolling", "retryAfter", "reportStalled"],
    ],
    [
      "says while stalled that there is another reason",
      { kind: "stalled", nodes: "gone", attempt: 3, reason: "no space" },
      { kind: "writeFailed", reason: "read-only" },
      { kind: "stalled", nodes: "gone", attempt: 4, reason: "read-only" },
      ["retryAfter", "reportStalled"],
    ],
    [
      "remembers while stalled that its nodes went",
      { kind: "stalled", nodes: "present", attempt: 3, reason: "no space" },
      { kind: "nodesGone" },
      { kind: "stalled", nodes: "gone", attempt: 3, reason: "no space" },
      [],
    ],
    [
      "goes on with its last words after a stall",
      { kind: "stalled", nodes: "gone", attempt: 3, reason: "no space" },
      { kind: "accepted" },
      lastWords,
      ["reportResumed", "startPolling", "moveNow"],
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
      { kind: "stalled", nodes: "gone", attempt: 0, reason: "no space" },
      { kind: "superseded" },
      { kind: "stalled", nodes: "gone", attempt: 0, reason: "no space" },
      [],
    ],
    ["ends as closed", { kind: "closed" }, { kind: "nodesBack" }, { kind: "closed" }, []],
  ];
  for (const [name, state, event, next, effects] of cases) {
    it(name, () => {
      const result = transition(state, event);
      assert.deepEqual(result.state, next);
      assert.deepEqual(
        result.effects.map((effect) => effect.kind),
        effects,
      );
    });
  }

  it("retries a refusing file system from 100 ms up to once a second", () => {
    const delays: number[] = [];
    let state: StreamState = logging;
    for (let attempt = 0; attempt < 7; attempt += 1) {
      const result: Transition = transition(state, { kind: "writeFailed", reason: "no space" });
      for (const effect of result.effects) {
        if (effect.kind === "retryAfter") delays.push(effect.delayMs);
      }
      state = result.state;
    }
    assert.deepEqual(delays, [100, 200, 400, 800, 1000, 1000, 1000]);
  });

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
          state = transition(state, event).state;
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
      { kind: "stalled", nodes: "gone", attempt: 1, reason: "no space" },
    ];
    for (const state of writing) assert.deepEqual(intentOf(state), { kind: "write" });
    const discarding = intentOf({ kind: "discarding" });
    assert.deepEqual(discarding, { kind: "discard", reason: "superseded" });
  });

  it("have the same intent each time, so that a stage's note need not be written again", () => {
    assert.equal(intentOf(logging), intentOf(lastWords));
    assert.equal(intentOf({ kind: "discarding" }), intentOf({ kind: "discarding" }));
  });
});
