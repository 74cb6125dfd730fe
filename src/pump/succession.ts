// SPDX-License-Identifier: Apache-2.0
// Who may have a FIFO and a log file, and when, decided without I/O. A FIFO belongs to its newest
// request. A file belongs to one stream until that stream's nodes are gone and its writers have left,
// or a grace is over.

import type { StreamState } from "./stream-state.ts";

/** A stream that has the FIFO or the file of a request already. */
export interface Holding {
  readonly epoch: string;
  readonly sequence: number;
  readonly state: StreamState;
}

/** A request that is to be opened. */
export interface Claim {
  readonly sequence: number;
  /** The stream that reads the request's FIFO. */
  readonly reader: Holding | undefined;
  /** The stream that writes the request's file. */
  readonly owner: Holding | undefined;
  /**
   * Whether bytes of another stream, still in a stage, must be written to the request's file first.
   */
  readonly leftovers: "none" | "mustGoFirst";
  readonly waitedMs: number;
}

export type Succession =
  | { readonly kind: "open" }
  /** The FIFO's next epoch: open it, then release the stream that read the FIFO. */
  | { readonly kind: "renew" }
  /** The FIFO's next epoch wants the file of a third stream: refuse it, and release the reader. */
  | { readonly kind: "renewWithoutFile" }
  /** The FIFO has a newer request than this one. */
  | { readonly kind: "refuseRenewed" }
  | { readonly kind: "refuseOwned" }
  /** The last writers of the file's owner had their time: it hands over its file, then open. */
  | { readonly kind: "takeOver" }
  | { readonly kind: "wait" };

/** The contract: the next owner of a file waits this long for the last writers of the one before. */
const graceMs = 2000;

export function decideSuccession(claim: Claim): Succession {
  const { sequence, reader, owner } = claim;
  if (reader !== undefined && reader.sequence > sequence) return { kind: "refuseRenewed" };
  // A file system that refuses the bytes in a stage would refuse the next epoch's bytes too.
  if (reader?.state.kind === "stalled" || owner?.state.kind === "stalled") return { kind: "wait" };
  if (claim.leftovers === "mustGoFirst") return { kind: "wait" };
  if (reader !== undefined) {
    const isThird = owner !== undefined && owner.epoch !== reader.epoch;
    return { kind: isThird ? "renewWithoutFile" : "renew" };
  }
  if (owner === undefined) return { kind: "open" };
  if (hasNodes(owner.state)) return { kind: "refuseOwned" };
  return { kind: claim.waitedMs >= graceMs ? "takeOver" : "wait" };
}

function hasNodes(state: StreamState): boolean {
  switch (state.kind) {
    case "logging":
    case "throttled":
    case "shedding":
      return true;
    case "stalled":
    case "dropping":
      return state.nodes === "present";
    case "lastWords":
    case "discarding":
    case "closed":
      return false;
  }
}
