// SPDX-License-Identifier: Apache-2.0
// Moves one stream's bytes FIFO → stage → outlet by splice, at most one stage full a call; they never
// enter this process. Bytes that an outlet refuses stay in the stage and go before all others.

import assert from "node:assert/strict";
import { errnoNameOf, splice } from "../kernel/index.ts";
import { LogfileError, type Refusal } from "../logfile/index.ts";
import { limitBehind } from "../program/index.ts";
import { causeOf, type DropCause } from "./drop-cause.ts";
import type { Intent } from "./note.ts";
import type { Outlet } from "./outlet.ts";
import type { LogTarget } from "./record.ts";
import type { Stage, StagePool } from "./stage-pool.ts";

/** A stage that is not empty, and how many bytes are in it. */
export interface FilledStage {
  readonly stage: Stage;
  readonly bytes: number;
}

/** So many bytes went to the outlet. */
interface Moved {
  readonly kind: "moved";
  readonly bytes: number;
}

export interface Failed {
  /** `writeFailed`: the outlet refused; what was taken from the FIFO is in the stage. */
  readonly kind: "noStage" | "writeFailed";
  readonly cause: DropCause;
  readonly reason: string;
}

export type Move =
  | Moved
  /** The FIFO is empty and has a writer. */
  | { readonly kind: "empty" }
  | { readonly kind: "endOfFile" }
  | Failed;

/** Capacity of a pipe that was never resized. */
const takeBytesMin = 65_536;

const noStage: Failed = {
  kind: "noStage",
  cause: "noStage",
  reason: "all stages are in use by streams that are stalled",
};

export class Mover {
  readonly #pool: StagePool;
  #filled: FilledStage | undefined;
  /**
   * What is taken at once: as much as there may be, and not much more, since it is the upper bound
   * reported for a stage that is lost while it is filled. To ask the FIFO for its size would wait for
   * the pipe's lock, which a writer may hold.
   */
  #takeBytesMax = takeBytesMin;

  constructor(pool: StagePool, filled: FilledStage | undefined) {
    this.#pool = pool;
    this.#filled = filled;
  }

  /** Bytes that the outlet has refused so far. */
  get stagedBytes(): number {
    return this.#filled?.bytes ?? 0;
  }

  /** One bounded move, of at most `allowedBytes`. Only while no bytes are staged: those come first. */
  move(
    readFd: number,
    target: LogTarget,
    outlet: Outlet,
    allowedBytes: number = Number.POSITIVE_INFINITY,
  ): Move {
    assert.equal(this.#filled, undefined, "bytes in a stage come before those in the FIFO");
    const refusal = outlet.prepare();
    if (refusal !== undefined) return failure(refusal);
    const { intent, totalBefore } = outlet;
    const askedBytes = Math.min(this.#takeBytesMax, allowedBytes);
    const stage = this.#pool.take(target, intent, totalBefore, askedBytes);
    if (stage === undefined) return noStage;
    const bytesMax = Math.min(askedBytes, stage.capacityBytes);
    const bytes = splice(readFd, stage.fd, bytesMax);
    if (bytes === bytesMax && bytesMax < allowedBytes)
      this.#takeBytesMax = Math.min(2 * bytesMax, stage.capacityBytes);
    if (bytes === "wouldBlock" || bytes === 0) {
      this.#pool.give(stage);
      return { kind: bytes === 0 ? "endOfFile" : "empty" };
    }
    this.#pool.filled(stage, bytes);
    return this.#empty({ stage, bytes }, outlet);
  }

  /** Tries what failed before again; `undefined` if the outlet would take bytes now. */
  retry(outlet: Outlet): Failed | undefined {
    if (this.#filled !== undefined) {
      const move = this.#empty(this.#filled, outlet);
      return move.kind === "moved" ? undefined : move;
    }
    const refusal = outlet.prepare();
    if (refusal !== undefined) return failure(refusal);
    return this.#pool.hasFree() ? undefined : noStage;
  }

  /** The note of a stage that holds bytes gets the stream's new bound. */
  reconfigure(target: LogTarget, intent: Intent): void {
    if (this.#filled === undefined) return;
    this.#pool.reconfigure(this.#filled.stage, target, intent);
  }

  /** Gives what is in the stage to an outlet that counts it. */
  discard(target: LogTarget, outlet: Outlet): void {
    if (this.#filled === undefined) return;
    outlet.prepare();
    const { intent, totalBefore } = outlet;
    this.#pool.intend(this.#filled, target, intent, totalBefore);
    this.#empty(this.#filled, outlet);
  }

  #empty({ stage, bytes }: FilledStage, outlet: Outlet): Moved | Failed {
    const { movedBytes, refusal } = outlet.accept(stage, bytes);
    if (refusal !== undefined) {
      this.#filled = { stage, bytes: bytes - movedBytes };
      return failure(refusal);
    }
    this.#filled = undefined;
    this.#pool.give(stage);
    return { kind: "moved", bytes };
  }
}

/** With the limit of this process that may be behind it. */
export function failure(refusal: Refusal): Failed & { readonly kind: "writeFailed" } {
  const errno = errnoNameOf(refusal instanceof LogfileError ? refusal.cause : refusal);
  const limit = limitBehind("pump", errno);
  const reason = limit === undefined ? refusal.message : `${refusal.message}: ${limit}`;
  return { kind: "writeFailed", cause: causeOf(refusal), reason };
}
