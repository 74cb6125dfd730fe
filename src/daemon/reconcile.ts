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
  readonly nodes: NodesSeen;
}

/**
 * `lost`: they were in a store that has lost everything since. That is not an order: the stream goes
 * on until they are seen again and then removed.
 */
export type NodesSeen = "present" | "gone" | "lost";

export type Action =
  | { readonly kind: "open"; readonly request: LogRequest }
  | { readonly kind: "nodesGone"; readonly epoch: string }
  | { readonly kind: "nodesBack"; readonly epoch: string }
  /** The same FIFO with a request that has not been answered: a new epoch. */
  | { readonly kind: "renew"; readonly epoch: string; readonly request: LogRequest }
  /** What is written into a refused FIFO is counted, so that its writer does not wait for ever. */
  | { readonly kind: "drainRefused"; readonly pipe: string; readonly nodes: LogNodes }
  | { readonly kind: "announce"; readonly pipe: string; readonly answer: Answer }
  | { readonly kind: "reportUntrusted"; readonly path: string };

/** A stream is told from its successor under the same key by its FIFO, whose name is never used again. */
export function reconcile(desired: Desired, present: readonly Present[]): readonly Action[] {
  switch (desired.kind) {
    case "gone":
      return departures(present, undefined);
    case "untrusted":
      return [...departures(present, undefined), { kind: "reportUntrusted", path: desired.path }];
    case "nodes": {
      const { nodes } = desired;
      const stream = present.find(({ pipe }) => pipe === nodes.pipe);
      const actions = stream === undefined ? arrival(nodes) : continuation(nodes, stream);
      return [...departures(present, nodes.pipe), ...actions];
    }
  }
}

function departures(present: readonly Present[], pipe: string | undefined): readonly Action[] {
  return present
    .filter((stream) => stream.pipe !== pipe && stream.nodes === "present")
    .map(({ epoch }) => ({ kind: "nodesGone", epoch }));
}

function arrival(nodes: LogNodes): readonly Action[] {
  const { pipe } = nodes;
  if (pipe === undefined) return [];
  if (nodes.state === "failed") return [{ kind: "drainRefused", pipe, nodes }];
  const parsed = parseRequest(nodes);
  switch (parsed.kind) {
    case "incomplete":
      return [];
    case "refused":
      return [{ kind: "announce", pipe, answer: { state: "failed", error: parsed.reason } }];
    case "request":
      return [{ kind: "open", request: parsed.request }];
  }
}

function continuation(nodes: LogNodes, stream: Present): readonly Action[] {
  if (stream.phase === "opening") return [];
  const { epoch, pipe } = stream;
  const back: readonly Action[] = stream.nodes === "present" ? [] : [{ kind: "nodesBack", epoch }];
  // Written again after the store had lost them: nobody has asked for anything new.
  const again: Action = { kind: "announce", pipe, answer: { state: "ready" } };
  if (stream.nodes !== "present") return nodes.state === "ready" ? back : [...back, again];
  if (nodes.state === "ready") return [];
  const parsed = parseRequest(nodes);
  switch (parsed.kind) {
    case "incomplete":
      return [];
    case "refused":
      return [
        { kind: "nodesGone", epoch },
        { kind: "announce", pipe, answer: { state: "failed", error: parsed.reason } },
      ];
    case "request":
      return [{ kind: "renew", epoch, request: parsed.request }];
  }
}
