// SPDX-License-Identifier: Apache-2.0
// Streams after their end, for `list --all` and for requests that wait for an end; the oldest are
// forgotten.

import type { StreamRecord, StreamReport } from "../../pump/index.ts";

export interface ClosedStream {
  readonly record: StreamRecord;
  readonly report: StreamReport;
}

const closedMax = 256;

export class ClosedStreams {
  readonly #closed: Map<string, ClosedStream> = new Map();

  get all(): readonly ClosedStream[] {
    return [...this.#closed.values()];
  }

  get(epoch: string): ClosedStream | undefined {
    return this.#closed.get(epoch);
  }

  add(closed: ClosedStream): void {
    this.#closed.set(closed.record.epoch, closed);
    for (const oldest of this.#closed.keys()) {
      if (this.#closed.size <= closedMax) break;
      this.#closed.delete(oldest);
    }
  }
}
