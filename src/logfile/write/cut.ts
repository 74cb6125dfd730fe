// SPDX-License-Identifier: Apache-2.0
// Where one file ends and the next begins, decided without I/O: at the last newline within the cut
// window before the limit, or hard at the limit when there is none. A file never exceeds its limit.

const NEWLINE = 0x0a;

/** Upper bound of the cut window: what is read aside, twice a file at most, to find a newline. */
const windowBytesMax = 4096;

export type AppendPlan =
  /** Write that many of the waiting bytes; they end below or at the limit. */
  | { readonly kind: "write"; readonly bytes: number }
  /** The cut falls among the next bytes: look at that many and call `planCut`. */
  | { readonly kind: "inspect"; readonly bytes: number }
  /** The file is full: rotate, then plan again. */
  | { readonly kind: "rotate" };

/** Bytes before the limit in which a newline is preferred to the limit itself. */
export function cutWindowBytes(limitBytes: number): number {
  return Math.min(windowBytesMax, Math.floor(limitBytes / 8));
}

/** What to do next with `waitingBytes` > 0 for a file of `sizeBytes`. */
export function planAppend(
  sizeBytes: number,
  limitBytes: number,
  waitingBytes: number,
): AppendPlan {
  const window = limitBytes - cutWindowBytes(limitBytes);
  if (sizeBytes >= limitBytes) return { kind: "rotate" };
  if (sizeBytes + waitingBytes < limitBytes) return { kind: "write", bytes: waitingBytes };
  if (sizeBytes < window) return { kind: "write", bytes: window - sizeBytes };
  return { kind: "inspect", bytes: limitBytes - sizeBytes };
}

/**
 * Cuts at the last newline of `head`, the next bytes up to the limit. Without one the file is
 * finished where it ends when that is the end of a line (`endsLine`), else filled to the limit.
 */
export function planCut(head: Uint8Array, endsLine: () => boolean): AppendPlan {
  const newline = head.lastIndexOf(NEWLINE);
  if (newline >= 0) return { kind: "write", bytes: newline + 1 };
  return endsLine() ? { kind: "rotate" } : { kind: "write", bytes: head.length };
}
