// SPDX-License-Identifier: Apache-2.0
// What to do about one log file, decided without I/O from what xenstore says and what is there.
// xenstore is the desired state; that something is absent from it closes nothing by itself: the
// pump waits for the last writer.

import type { Answer, LogNodes, LogRequest } from "../contract/index.ts";
import { parseRequest } from "../contract/index.ts";

/** One log file in xenstore, read in one transaction. */
export type Desired =
  | { readonly kind: "gone" }
  /** A node that somebody else than dom0 may write: not a request. */
  | { readonly kind: "untrusted"; readonly path: string }
  | { readonly kind: "nodes"; readonly nodes: LogNodes };

/** A stream under the same key. */
export interface Present {
  readonly epoch: string;
  readonly pipe: string;
  readonly phase: "opening" | "open";
  readonly nodes: "present" | "gone";
}

export type Action =
  | { readonly kind: "open"; readonly request: LogRequest }
  | { readonly kind: "nodesGone"; readonly epoch: string }
  | { readonly kind: "nodesBack"; readonly epoch: string }
  | { readonly kind: "announce"; readonly pipe: string; readonly answer: Answer }
  | { readonly kind: "reportUntrusted"; readonly path: string };

/**
 * A stream is told from its successor under the same key by its FIFO, whose name is never used
 * again. A request without `state` whose FIFO is that of a stream is one that lost its answer: it
 * is answered again and goes on in its epoch.
 */
export function reconcile(desired: Desired, present: readonly Present[]): readonly Action[] {
  switch (desired.kind) {
    case "gone":
      return departures(present, undefined);
    case "untrusted":
      return [...departures(present, undefined), { kind: "reportUntrusted", path: desired.path }];
    case "nodes":
      return [...departures(present, desired.nodes.pipe), ...arrivals(desired.nodes, present)];
  }
}

function departures(present: readonly Present[], pipe: string | undefined): readonly Action[] {
  return present
    .filter((stream) => stream.pipe !== pipe && stream.nodes === "present")
    .map(({ epoch }) => ({ kind: "nodesGone", epoch }));
}

function arrivals(nodes: LogNodes, present: readonly Present[]): readonly Action[] {
  const stream = present.find(({ pipe }) => pipe === nodes.pipe);
  if (stream !== undefined) {
    const actions: Action[] = [];
    if (stream.nodes === "gone") actions.push({ kind: "nodesBack", epoch: stream.epoch });
    if (stream.phase === "open" && nodes.state !== "ready") {
      actions.push({ kind: "announce", pipe: stream.pipe, answer: { state: "ready" } });
    }
    return actions;
  }
  if (nodes.state === "failed") return [];
  const parsed = parseRequest(nodes);
  switch (parsed.kind) {
    case "incomplete":
      return [];
    case "refused": {
      const answer: Answer = { state: "failed", error: parsed.reason };
      return nodes.pipe === undefined ? [] : [{ kind: "announce", pipe: nodes.pipe, answer }];
    }
    case "request":
      return [{ kind: "open", request: parsed.request }];
  }
}
