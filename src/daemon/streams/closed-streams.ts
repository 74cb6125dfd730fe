// SPDX-License-Identifier: Apache-2.0
// Streams after their end, for `list --all` and for requests that wait for an end; the oldest are
// forgotten.

import type { StreamRecord, StreamReport } from "../../pump/index.ts";

export interface ClosedStream {
  readonly record: StreamRecord;
  readonly report: StreamReport;
}

const closedMax = 256;

type Resolve = (closed: ClosedStream | undefined) => void;

export class ClosedStreams {
  readonly #closed: Map<string, ClosedStream> = new Map();
  readonly #waiting: Map<string, Set<Resolve>> = new Map();

  get all(): readonly ClosedStream[] {
    return [...this.#closed.values()];
  }

  add(closed: ClosedStream): void {
    const { epoch } = closed.record;
    this.#closed.set(epoch, closed);
    for (const oldest of this.#closed.keys()) {
      if (this.#closed.size <= closedMax) break;
      this.#closed.delete(oldest);
    }
    this.resolveWaiting(epoch);
  }

  /** Resolves all waits for the stream: with its end, or with `undefined` if it is forgotten. */
  resolveWaiting(epoch: string): void {
    for (const resolve of this.#waiting.get(epoch) ?? []) resolve(this.#closed.get(epoch));
    this.#waiting.delete(epoch);
  }

  /** Resolves with the stream's end, at once if it was; `undefined` after `signal`. */
  async wait(epoch: string, signal: AbortSignal): Promise<ClosedStream | undefined> {
    const closed = this.#closed.get(epoch);
    if (closed !== undefined) return closed;
    const waiting = this.#waiting.get(epoch) ?? new Set();
    this.#waiting.set(epoch, waiting);
    return await new Promise((resolve) => {
      const end: Resolve = (result) => {
        signal.removeEventListener("abort", onAbort);
        waiting.delete(end);
        resolve(result);
      };
      const onAbort = (): void => end(undefined);
      signal.addEventListener("abort", onAbort);
      waiting.add(end);
    });
  }
}
