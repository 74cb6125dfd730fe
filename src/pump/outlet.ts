// SPDX-License-Identifier: Apache-2.0
// Where a stream's bytes go: into its log, or to a counter with a reason. A policy is a state with
// another intent (`intentOf` in stream-state.ts); what moves the bytes does not change for it.

import type { Appended, Refusal } from "../logfile/index.ts";
import type { Intent } from "./note.ts";
import { type Stage, throwAway } from "./stage-pool.ts";

export interface Outlet {
  /** What the note of a stage says while it holds bytes on their way to this outlet. */
  readonly intent: Intent;
  /**
   * What was written before, or dropped for the reason. After a crash the total is set to this plus
   * what was taken, so that no byte is counted twice.
   */
  readonly totalBefore: number;
  /** Prepares the log for the next byte; returns why that is not possible. */
  prepare(): Refusal | undefined;
  /** Takes `bytes` out of the stage, which holds as many. Refused bytes stay in the stage. */
  accept(stage: Stage, bytes: number): Appended;
}

export type DiscardIntent = Extract<Intent, { readonly kind: "discard" }>;

/** Counts dropped bytes by reason. */
export interface Totals {
  /** Bytes are about to be dropped, and the log will say so. */
  dropping(reason: string, nowMs: number): void;
  dropped(reason: string): number;
  /** Sets the total of a reason; a lower one than the present one changes nothing. */
  droppedUpTo(reason: string, total: number): void;
}

/**
 * An outlet that counts bytes and throws them away; it refuses none. `marked`: the log will have a line
 * about them in their place.
 */
export function counter(
  intent: DiscardIntent,
  totals: Totals,
  nullFd: number,
  marked: "marked" | "unmarked",
): Outlet {
  return {
    intent,
    get totalBefore() {
      return totals.dropped(intent.reason);
    },
    prepare() {
      if (marked === "marked") totals.dropping(intent.reason, Date.now());
      return undefined;
    },
    accept(stage, bytes) {
      const total = totals.dropped(intent.reason) + bytes;
      throwAway(stage, bytes, nullFd);
      totals.droppedUpTo(intent.reason, total);
      return { movedBytes: bytes, refusal: undefined };
    },
  };
}
