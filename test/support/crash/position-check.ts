// SPDX-License-Identifier: Apache-2.0
// Every byte on disk can be read by its position, and no position is another byte's.

import assert from "node:assert/strict";
import type { FoundLog } from "./found-log.ts";
import type { Piece, Witness } from "./witness.ts";

/** Less than that stands in more than one place of the stream: which one is meant is a guess. */
const certainBytes = 32;

export interface PositionCheckOptions {
  /** How many offsets of each epoch are looked at besides those on disk. */
  readonly positions: number;
  /** Whether every byte of the newest epoch that is on disk has its position. */
  readonly mustBeThere: boolean;
}

export function checkPositions(
  found: FoundLog,
  witness: Witness,
  pieces: readonly Piece[],
  { positions, mustBeThere }: PositionCheckOptions,
): void {
  const reader = found.reader();
  const hasIndex = found.index() !== undefined;
  try {
    for (const [index, { epoch, start }] of witness.epochs.entries()) {
      const next = witness.epochs[index + 1];
      const end = next?.start ?? witness.end;
      const read = (at: number, bytes: number): Buffer | undefined => {
        const answer = reader.read({ epoch, offset: at - start }, bytes);
        if (answer.kind === "unknownEpoch" && (next !== undefined || !hasIndex)) return undefined;
        if (answer.kind === "rotatedAway") return undefined;
        const wasCut = next !== undefined && witness.hasHoles;
        if (answer.kind === "beyondEpoch" && wasCut) return undefined;
        assert.equal(answer.kind, "bytes", `${epoch}:${at - start}`);
        if (answer.kind !== "bytes") return undefined;
        const expected = witness.at(at, answer.bytes.length);
        assert.ok(answer.bytes.equals(expected), `${epoch}:${at - start} is another byte`);
        return answer.bytes;
      };
      for (const piece of pieces) {
        const from = Math.max(start, piece.start);
        const bytes = Math.min(end, piece.start + piece.bytes) - from;
        if (bytes <= 0) continue;
        const length = read(from, bytes)?.length;
        const isCertain = piece.bytes >= certainBytes;
        if (next === undefined && hasIndex && mustBeThere && isCertain) {
          assert.equal(length, bytes, `${epoch}:${from - start}`);
        }
      }
      const stride = Math.max(1, Math.floor((end - start) / positions));
      for (let at = start; at < end; at += stride) read(at, 16);
    }
  } finally {
    reader.close();
  }
}

/** Whoever reads beside a pump, or when it is dead, finds what it wrote last. */
export function checkNewestByte(found: FoundLog, witness: Witness, waitingBytes: number): void {
  if (found.index() === undefined) return;
  const { epoch, start } = witness.epoch;
  const last = witness.end - waitingBytes - 1;
  if (found.liveBytes === 0 || last < start) return;
  const read = found.read(epoch, last - start, 1);
  assert.deepEqual(read, { kind: "bytes", bytes: witness.at(last, 1) }, "the newest byte");
}
