// SPDX-License-Identifier: Apache-2.0
// The states of a stream in the pump, what happens to it, and what becomes of its bytes. The states are
// described in ARCHITECTURE.md; `transition.ts` leads from one to the next.

import type { DropCause } from "./drop-cause.ts";
import type { Intent } from "./note.ts";

/** Whether the stream's nodes are in xenstore. */
export type Nodes = "present" | "gone";

export type StreamState =
  /** Bytes go from the FIFO to the log; a writer that leaves may come back. */
  | { readonly kind: "logging" }
  /** The nodes are gone; bytes go to the log until the last writer leaves. */
  | { readonly kind: "lastWords" }
  /** The file system refused bytes that are in a stage; the FIFO waits, full. */
  | ({ readonly kind: "stalled" } & Trouble)
  /** The same, and the wait was too long: bytes are counted, not logged, until the log accepts some. */
  | ({ readonly kind: "dropping" } & Trouble)
  /** More came than the log's rate permits; the FIFO waits. */
  | { readonly kind: "throttled" }
  /** The same where the overflow is `drop`: bytes are counted, not logged, until a burst may come again. */
  | { readonly kind: "shedding" }
  /** Another stream owns the file now; what the last writers still write is counted, not logged. */
  | { readonly kind: "discarding" }
  | { readonly kind: "closed" };

/** Why the log takes no bytes: one of few causes, and a sentence. */
export interface Trouble {
  readonly nodes: Nodes;
  readonly cause: DropCause;
  readonly reason: string;
}

export type StreamEvent =
  /** The log refused bytes that are in a stage, or a line that is due before them. */
  | { readonly kind: "writeFailed"; readonly cause: DropCause; readonly reason: string }
  /** Other streams have all stages. */
  | { readonly kind: "noStage"; readonly cause: DropCause; readonly reason: string }
  /** More has come than the log's rate permits; after `delayMs` it may go on. */
  | { readonly kind: "overRate"; readonly delayMs: number }
  /** It may. */
  | { readonly kind: "refilled" }
  /** The stream has been stalled for as long as it may be. */
  | { readonly kind: "graceOver" }
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
  /** Try whether the log accepts bytes, again and again until `endTries`. */
  | { readonly kind: "beginTries" }
  | { readonly kind: "endTries" }
  | { readonly kind: "startGrace"; readonly delayMs: number }
  | { readonly kind: "startRefill"; readonly delayMs: number }
  | { readonly kind: "endRefill" }
  /** Bytes in a stage are counted like those that come. */
  | { readonly kind: "dropStaged" }
  /** A hang-up stays until the end is opened anew. */
  | { readonly kind: "reopen" }
  /** Look whether there is a writer at all: without one no hang-up will come. */
  | { readonly kind: "moveNow" }
  /** The same in the next turn: what was taken may have been the last of a writer that is gone. */
  | { readonly kind: "moveSoon" }
  | { readonly kind: "close" }
  | { readonly kind: "reportStalled"; readonly reason: string }
  | { readonly kind: "reportDropping"; readonly reason: string }
  | { readonly kind: "reportResumed" };

export interface Transition {
  readonly state: StreamState;
  readonly effects: readonly StreamEffect[];
}

// One object each: the pool reuses a stage's note for the same intent without writing it again.
const write: Intent = { kind: "write" };
const discards = new Map<string, Intent>();

function discard(reason: string): Intent {
  const known = discards.get(reason);
  if (known !== undefined) return known;
  const intent: Intent = { kind: "discard", reason };
  discards.set(reason, intent);
  return intent;
}

/** What becomes of a stream's bytes. */
export function intentOf(state: StreamState): Intent {
  switch (state.kind) {
    case "logging":
    case "lastWords":
    case "stalled":
    case "throttled":
    case "closed":
      return write;
    case "shedding":
      return discard("rate");
    case "dropping":
      return discard(state.cause);
    case "discarding":
      return discard("superseded");
  }
}

/** What has to succeed before the stream leaves its state. */
export function triedIntentOf(state: StreamState): Intent {
  return state.kind === "dropping" ? write : intentOf(state);
}
