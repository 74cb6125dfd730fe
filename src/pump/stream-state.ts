// SPDX-License-Identifier: Apache-2.0
// The life of a stream in the pump, decided without I/O. The states are described in ARCHITECTURE.md.

import { type Backoff, pauseMs } from "../program/index.ts";
import type { Intent } from "./note.ts";

/** Whether the stream's nodes are in xenstore. */
export type Nodes = "present" | "gone";

export type StreamState =
  /** Bytes go from the FIFO to the log; a writer that leaves may come back. */
  | { readonly kind: "logging" }
  /** The nodes are gone; bytes go to the log until the last writer leaves. */
  | { readonly kind: "lastWords" }
  /** The file system refused bytes that are in a stage; the FIFO waits, full. */
  | {
      readonly kind: "stalled";
      readonly nodes: Nodes;
      readonly attempt: number;
      readonly reason: string;
    }
  /** Another stream owns the file now; what the last writers still write is counted, not logged. */
  | { readonly kind: "discarding" }
  | { readonly kind: "closed" };

export type StreamEvent =
  /** The log refused bytes that are in a stage, or a line that is due before them. */
  | { readonly kind: "writeFailed"; readonly reason: string }
  /** Other streams have all stages. */
  | { readonly kind: "noStage"; readonly reason: string }
  /** What failed would succeed now. */
  | { readonly kind: "accepted" }
  /** Bytes were taken from the FIFO. */
  | { readonly kind: "moved" }
  | { readonly kind: "nodesGone" }
  | { readonly kind: "nodesBack" }
  /** The stream has handed over its file to the next one. */
  | { readonly kind: "superseded" }
  | { readonly kind: "endOfFile" };

export type StreamEffect =
  | { readonly kind: "stopPolling" }
  | { readonly kind: "startPolling" }
  | { readonly kind: "retryAfter"; readonly delayMs: number }
  /** A hang-up stays until the end is opened anew. */
  | { readonly kind: "reopen" }
  /** Look whether there is a writer at all: without one no hang-up will come. */
  | { readonly kind: "moveNow" }
  /** The same in the next turn: what was taken may have been the last of a writer that is gone. */
  | { readonly kind: "moveSoon" }
  | { readonly kind: "close" }
  | { readonly kind: "reportStalled"; readonly reason: string }
  | { readonly kind: "reportResumed" };

export interface Transition {
  readonly state: StreamState;
  readonly effects: readonly StreamEffect[];
}

/** A disk that works again is used again within a second. */
const backoff: Backoff = { firstMs: 100, maxMs: 1000 };

// One object each: the pool reuses a stage's note for the same intent without writing it again.
const write: Intent = { kind: "write" };
const discardSuperseded: Intent = { kind: "discard", reason: "superseded" };

/** What becomes of a stream's bytes. */
export function intentOf(state: StreamState): Intent {
  switch (state.kind) {
    case "logging":
    case "lastWords":
    case "stalled":
    case "closed":
      return write;
    case "discarding":
      return discardSuperseded;
  }
}

export function transition(state: StreamState, event: StreamEvent): Transition {
  switch (state.kind) {
    case "logging":
      return whileLogging(state, event);
    case "lastWords":
      return duringLastWords(state, event);
    case "stalled":
      return whileStalled(state, event);
    case "discarding":
      return whileDiscarding(state, event);
    case "closed":
      return stay(state);
  }
}

const close: Transition = { state: { kind: "closed" }, effects: [{ kind: "close" }] };

function stay(state: StreamState): Transition {
  return { state, effects: [] };
}

function whileLogging(state: StreamState, event: StreamEvent): Transition {
  switch (event.kind) {
    case "writeFailed":
    case "noStage":
      return beginStall("present", event.reason);
    case "nodesGone":
      return { state: { kind: "lastWords" }, effects: [{ kind: "moveNow" }] };
    case "endOfFile":
      return { state, effects: [{ kind: "reopen" }] };
    case "accepted":
    case "moved":
    case "nodesBack":
    case "superseded":
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
      return {
        state,
        effects: [{ kind: "stopPolling" }, { kind: "retryAfter", delayMs: backoff.firstMs }],
      };
    case "accepted":
      return { state, effects: [{ kind: "startPolling" }, { kind: "moveNow" }] };
    case "nodesBack":
    case "superseded":
      return stay(state);
  }
}

function duringLastWords(state: StreamState, event: StreamEvent): Transition {
  switch (event.kind) {
    case "writeFailed":
    case "noStage":
      return beginStall("gone", event.reason);
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
      return stay(state);
  }
}

function whileStalled(
  state: Extract<StreamState, { kind: "stalled" }>,
  event: StreamEvent,
): Transition {
  switch (event.kind) {
    case "writeFailed":
    case "noStage":
      return stallOn(state, event.reason);
    case "accepted":
      return {
        state: { kind: state.nodes === "present" ? "logging" : "lastWords" },
        effects: [{ kind: "reportResumed" }, { kind: "startPolling" }, { kind: "moveNow" }],
      };
    case "nodesGone":
      return stay({ ...state, nodes: "gone" });
    case "nodesBack":
      return stay({ ...state, nodes: "present" });
    case "moved":
    case "superseded":
    case "endOfFile":
      return stay(state);
  }
}

function beginStall(nodes: Nodes, reason: string): Transition {
  return {
    state: { kind: "stalled", nodes, attempt: 0, reason },
    effects: [{ kind: "stopPolling" }, retryAfter(0), { kind: "reportStalled", reason }],
  };
}

/** A full disk may have become a read-only one meanwhile. */
function stallOn(state: Extract<StreamState, { kind: "stalled" }>, reason: string): Transition {
  const attempt = state.attempt + 1;
  const report: StreamEffect[] = reason === state.reason ? [] : [{ kind: "reportStalled", reason }];
  return { state: { ...state, attempt, reason }, effects: [retryAfter(attempt), ...report] };
}

function retryAfter(attempt: number): StreamEffect {
  return { kind: "retryAfter", delayMs: pauseMs(backoff, attempt) };
}
