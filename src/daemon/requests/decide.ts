// SPDX-License-Identifier: Apache-2.0
// What to do about one log file: decided without I/O, from its nodes in xenstore and its streams.
// Nodes are the desired state, but their absence closes nothing: the pump waits for the last writer.

import {
  type Answer,
  errorValue,
  type LogNodes,
  type LogRequest,
  type Overflow,
  parseRequest,
  quote,
  type UntrustedNode,
} from "../../contract/index.ts";

/** One log file in xenstore, read in one transaction. */
export type Desired =
  | { readonly kind: "gone" }
  /** Another domain than dom0 may write this node: not a request. */
  | { readonly kind: "untrusted"; readonly node: UntrustedNode; readonly nodes: LogNodes }
  | { readonly kind: "nodes"; readonly nodes: LogNodes };

/** A stream under the same key. */
export interface Present {
  readonly epoch: string;
  readonly pipe: string;
  readonly phase: "opening" | "open";
  readonly nodes: NodesSeen;
  readonly file: string;
  readonly limitBytes: number;
  readonly copies: number;
  readonly overflow: Overflow;
  readonly rateBytesPerSecond: number | null;
  readonly burstBytes: number | null;
  /** Why values that were written after it was answered are not used; as it stands in the store. */
  readonly error: string | undefined;
}

/**
 * `lost`: they were in a store that has lost everything since. That is not an order to close: the
 * stream goes on until they are seen again and then removed.
 */
export type NodesSeen = "present" | "gone" | "lost";

export type Action = Opening | QuickAction;

/** A new stream, with an epoch of its own. */
type Opening =
  | { readonly kind: "open"; readonly request: LogRequest }
  /** The same FIFO with a request that has not been answered. */
  | { readonly kind: "renew"; readonly epoch: string; readonly request: LogRequest };

/** An action that waits for no pump. */
export type QuickAction =
  | { readonly kind: "nodesGone"; readonly epoch: string }
  | { readonly kind: "nodesBack"; readonly epoch: string }
  /** The same epoch with another limit or other copies. */
  | { readonly kind: "reconfigure"; readonly epoch: string; readonly request: LogRequest }
  /** Why the values that are there now are not used; `undefined`: they are. */
  | {
      readonly kind: "noteError";
      readonly epoch: string;
      /** The FIFO that the nodes name. */
      readonly pipe: string;
      readonly error: string | undefined;
    }
  /** The FIFO of a refused request is read and counted, or its writer would wait without end. */
  | { readonly kind: "drainRefused"; readonly pipe: string }
  | { readonly kind: "announce"; readonly pipe: string; readonly answer: Answer }
  | { readonly kind: "reportUntrusted"; readonly node: UntrustedNode };

/**
 * A stream and its successor under the same key have different FIFOs: the name of a FIFO is never
 * used again.
 */
export function decide(desired: Desired, present: readonly Present[]): readonly Action[] {
  switch (desired.kind) {
    case "gone":
      return departures(present, undefined);
    case "untrusted":
      return [...departures(present, undefined), { kind: "reportUntrusted", node: desired.node }];
    case "nodes": {
      const { nodes } = desired;
      const repiped = findRepiped(nodes, present);
      if (repiped !== undefined) return remark(nodes, repiped, kept("pipe", nodes.pipe, repiped));
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
  if (nodes.state === "failed") return [{ kind: "drainRefused", pipe }];
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
  if (stream.nodes !== "present") {
    const back: Action = { kind: "nodesBack", epoch };
    if (nodes.state === "ready") return [back, ...adjustment(nodes, stream)];
    // Written again after the store had lost them: not a new request.
    return [back, { kind: "announce", pipe, answer: { state: "ready" } }];
  }
  if (nodes.state === "ready") return adjustment(nodes, stream);
  if (nodes.state !== undefined) {
    // A toolstack wrote it by mistake: only its removal asks for a new epoch.
    return [{ kind: "announce", pipe, answer: { state: "ready" } }, ...adjustment(nodes, stream)];
  }
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

/** What of a served request may change. */
const changeable = ["limitBytes", "copies", "rateBytesPerSecond", "burstBytes"] as const;

/** With other changes the stream goes on as it is. */
function adjustment(nodes: LogNodes, stream: Present): readonly Action[] {
  const parsed = parseRequest(nodes);
  switch (parsed.kind) {
    case "incomplete":
      return [];
    case "refused":
      return remark(nodes, stream, parsed.reason);
    case "request": {
      const { request } = parsed;
      const { epoch } = stream;
      const fixed = (["file", "overflow"] as const).find((name) => request[name] !== stream[name]);
      if (fixed !== undefined) return remark(nodes, stream, kept(fixed, request[fixed], stream));
      const same = changeable.every((name) => (request[name] ?? null) === stream[name]);
      const change: readonly Action[] = same ? [] : [{ kind: "reconfigure", epoch, request }];
      return [...change, ...remark(nodes, stream, undefined)];
    }
  }
}

/**
 * The stream whose request is served and names another FIFO now. A toolstack that uses an id again
 * has removed `state` with all the rest.
 */
function findRepiped(nodes: LogNodes, present: readonly Present[]): Present | undefined {
  const { pipe, state } = nodes;
  if (pipe === undefined || state === undefined) return undefined;
  if (present.some((stream) => stream.pipe === pipe)) return undefined;
  return present.find((stream) => stream.nodes === "present");
}

/** Never rewrites an unchanged value: the write comes back as an event and would loop. */
function remark(nodes: LogNodes, stream: Present, sentence: string | undefined): readonly Action[] {
  const error = sentence === undefined ? undefined : errorValue(sentence);
  if (nodes.error === error && stream.error === error) return [];
  return [{ kind: "noteError", epoch: stream.epoch, pipe: nodes.pipe ?? stream.pipe, error }];
}

function kept(name: "pipe" | "file" | "overflow", now = "", stream: Present): string {
  return `${name} is ${quote(now)}; a request that is served keeps its ${name}, ${quote(stream[name])}: make a new request for another`;
}
