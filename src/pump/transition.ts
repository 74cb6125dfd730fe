// SPDX-License-Identifier: Apache-2.0
// What an event leads to in each state of a stream, decided without I/O.

import type { OverflowRules } from "./overflow-rules.ts";
import type {
  Nodes,
  StreamEffect,
  StreamEvent,
  StreamState,
  Transition,
  Trouble,
} from "./stream-state.ts";

export function transition(
  state: StreamState,
  event: StreamEvent,
  overflow: OverflowRules,
): Transition {
  switch (state.kind) {
    case "logging":
      return whileLogging(state, event, overflow);
    case "lastWords":
      return duringLastWords(state, event, overflow);
    case "stalled":
      return whileStalled(state, event);
    case "throttled":
    case "shedding":
      return aboveRate(state, event, overflow);
    case "dropping":
      return whileDropping(state, event);
    case "discarding":
      return whileDiscarding(state, event);
    case "closed":
      return stay(state);
  }
}

type Stalled = Extract<StreamState, { kind: "stalled" }>;
type Dropping = Extract<StreamState, { kind: "dropping" }>;
type Failure = Extract<StreamEvent, { kind: "writeFailed" | "noStage" }>;

const close: Transition = {
  state: { kind: "closed" },
  effects: [{ kind: "endTries" }, { kind: "close" }],
};

function before(effects: readonly StreamEffect[], next: Transition): Transition {
  return { ...next, effects: [...effects, ...next.effects] };
}

function stay(state: StreamState): Transition {
  return { state, effects: [] };
}

function whileLogging(state: StreamState, event: StreamEvent, overflow: OverflowRules): Transition {
  switch (event.kind) {
    case "writeFailed":
    case "noStage":
      return beginStall("present", event, overflow);
    case "nodesGone":
      return { state: { kind: "lastWords" }, effects: [{ kind: "moveNow" }] };
    case "endOfFile":
      return { state, effects: [{ kind: "reopen" }] };
    case "overRate":
      return beginAboveRate(event.delayMs, overflow);
    case "accepted":
    case "moved":
    case "nodesBack":
    case "superseded":
    case "graceOver":
    case "refilled":
      return stay(state);
  }
}

/** Last words are not held back: the domain's end does not wait for them. */
function aboveRate(state: StreamState, event: StreamEvent, overflow: OverflowRules): Transition {
  switch (event.kind) {
    case "writeFailed":
    case "noStage":
      return before([{ kind: "endRefill" }], beginStall("present", event, overflow));
    case "refilled":
      return {
        state: { kind: "logging" },
        effects: [{ kind: "startPolling" }, { kind: "moveNow" }],
      };
    case "nodesGone":
      return {
        state: { kind: "lastWords" },
        effects: [{ kind: "endRefill" }, { kind: "startPolling" }, { kind: "moveNow" }],
      };
    case "endOfFile":
      return { state, effects: [{ kind: "reopen" }] };
    case "overRate":
    case "accepted":
    case "moved":
    case "nodesBack":
    case "superseded":
    case "graceOver":
      return stay(state);
  }
}

function beginAboveRate(delayMs: number, { aboveRate: how }: OverflowRules): Transition {
  const refill: StreamEffect = { kind: "startRefill", delayMs };
  if (how === "wait") {
    return { state: { kind: "throttled" }, effects: [{ kind: "stopPolling" }, refill] };
  }
  return { state: { kind: "shedding" }, effects: [refill] };
}

function duringLastWords(
  state: StreamState,
  event: StreamEvent,
  overflow: OverflowRules,
): Transition {
  switch (event.kind) {
    case "writeFailed":
    case "noStage":
      return beginStall("gone", event, overflow);
    case "nodesBack":
      return { state: { kind: "logging" }, effects: [] };
    case "superseded":
      return { state: { kind: "discarding" }, effects: [{ kind: "moveNow" }] };
    case "moved":
      return { state, effects: [{ kind: "moveSoon" }] };
    case "endOfFile":
      return close;
    case "accepted":
    case "nodesGone":
    case "graceOver":
    case "overRate":
    case "refilled":
      return stay(state);
  }
}

function whileStalled(state: Stalled, event: StreamEvent): Transition {
  switch (event.kind) {
    case "writeFailed":
    case "noStage":
      return failedAgain(state, event);
    case "accepted":
      return resume(state);
    case "graceOver":
      return beginDropping(state, []);
    case "nodesGone":
      return stay({ ...state, nodes: "gone" });
    case "nodesBack":
      return stay({ ...state, nodes: "present" });
    case "moved":
    case "superseded":
    case "endOfFile":
    case "overRate":
    case "refilled":
      return stay(state);
  }
}

function whileDropping(state: Dropping, event: StreamEvent): Transition {
  switch (event.kind) {
    case "writeFailed": {
      const { state: next, effects } = failedAgain(state, event);
      // There may be a stage again.
      return { state: next, effects: [...effects, { kind: "startPolling" }] };
    }
    case "noStage":
      // Bytes cannot be dropped without a stage either.
      return { state, effects: [{ kind: "stopPolling" }] };
    case "accepted":
      return resume(state);
    case "moved":
      return { state, effects: state.nodes === "gone" ? [{ kind: "moveSoon" }] : [] };
    case "endOfFile":
      return state.nodes === "gone" ? close : { state, effects: [{ kind: "reopen" }] };
    case "nodesGone":
      return { state: { ...state, nodes: "gone" }, effects: [{ kind: "moveNow" }] };
    case "nodesBack":
      return stay({ ...state, nodes: "present" });
    case "superseded":
      if (state.nodes === "present") return stay(state);
      return {
        state: { kind: "discarding" },
        effects: [{ kind: "endTries" }, { kind: "startPolling" }, { kind: "moveNow" }],
      };
    case "graceOver":
    case "overRate":
    case "refilled":
      return stay(state);
  }
}

function whileDiscarding(state: StreamState, event: StreamEvent): Transition {
  switch (event.kind) {
    case "endOfFile":
      return close;
    case "moved":
      return { state, effects: [{ kind: "moveSoon" }] };
    case "nodesGone":
      // After a restart a stream may have no writer, and then no hang-up will come.
      return { state, effects: [{ kind: "moveNow" }] };
    case "writeFailed":
    case "noStage":
      // A FIFO that is polled meanwhile would wake us up all the time.
      return { state, effects: [{ kind: "stopPolling" }, { kind: "beginTries" }] };
    case "accepted":
      return {
        state,
        effects: [{ kind: "endTries" }, { kind: "startPolling" }, { kind: "moveNow" }],
      };
    case "nodesBack":
    case "superseded":
    case "graceOver":
    case "overRate":
    case "refilled":
      return stay(state);
  }
}

function beginStall(
  nodes: Nodes,
  { cause, reason }: Failure,
  { graceMs }: OverflowRules,
): Transition {
  const trouble = { nodes, cause, reason };
  const begin: StreamEffect[] = [{ kind: "reportStalled", reason }, { kind: "beginTries" }];
  if (graceMs === 0) return beginDropping(trouble, begin);
  const grace: StreamEffect[] =
    graceMs === undefined ? [] : [{ kind: "startGrace", delayMs: graceMs }];
  return {
    state: { kind: "stalled", ...trouble },
    effects: [{ kind: "stopPolling" }, ...begin, ...grace],
  };
}

function beginDropping(trouble: Trouble, before: readonly StreamEffect[]): Transition {
  const { nodes, cause, reason } = trouble;
  return {
    state: { kind: "dropping", nodes, cause, reason },
    effects: [
      ...before,
      { kind: "reportDropping", reason },
      { kind: "dropStaged" },
      { kind: "startPolling" },
      { kind: "moveNow" },
    ],
  };
}

/** A full disk may have become a read-only one meanwhile. What is dropped keeps its cause. */
function failedAgain(state: Stalled | Dropping, { cause, reason }: Failure): Transition {
  if (reason === state.reason) return stay(state);
  const next = state.kind === "stalled" ? { ...state, cause, reason } : { ...state, reason };
  return { state: next, effects: [{ kind: "reportStalled", reason }] };
}

function resume({ nodes }: Trouble): Transition {
  return {
    state: { kind: nodes === "present" ? "logging" : "lastWords" },
    effects: [
      { kind: "endTries" },
      { kind: "reportResumed" },
      { kind: "startPolling" },
      { kind: "moveNow" },
    ],
  };
}
