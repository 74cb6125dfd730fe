// SPDX-License-Identifier: Apache-2.0
// The streams that are not closed, found by epoch, request, FIFO or log without a search.

import type { Stall } from "../../observe/index.ts";
import type { RetryTimer } from "../../program/index.ts";
import type { StreamRecord, StreamReport } from "../../pump/index.ts";

export interface StreamStall extends Stall {
  /** `unsure`: before its pump was started again. */
  readonly cause: "write" | "open" | "unsure";
  /** Since when its bytes are dropped, if they are: ISO 8601, UTC. */
  readonly droppingSince: string | undefined;
}

/** A stream and what the main process knows of it. */
export interface LiveStream {
  record: StreamRecord;
  readonly fileSystem: string;
  /** Asked for in this life of the daemon, or taken up again from the table. */
  readonly origin: "new" | "restored";
  /** `opening` until the pump has answered for the first time. */
  phase: "opening" | "open";
  report: StreamReport | undefined;
  /** Why values that were written later are not used. */
  error: string | undefined;
  /** Why its bytes do not get into its log now. */
  stall: StreamStall | undefined;
  /** When it was found that the content of its FIFO is lost, if it was. */
  readonly fifoLostAtMs: number | undefined;
  /** Opens it again where it cannot be opened now. */
  readonly retry: RetryTimer;
}

/** What of a record never changes. */
type IndexedField = "key" | "relativePipe" | "file";

export class LiveStreams {
  readonly #byEpoch: Map<string, LiveStream> = new Map();
  readonly #indexes: Readonly<Record<IndexedField, Map<string, Set<LiveStream>>>> = {
    key: new Map(),
    relativePipe: new Map(),
    file: new Map(),
  };

  /** In the order in which they began. */
  get all(): readonly LiveStream[] {
    return [...this.#byEpoch.values()];
  }

  get(epoch: string): LiveStream | undefined {
    return this.#byEpoch.get(epoch);
  }

  /** Those whose records have this value, in the order in which they began. */
  having(field: IndexedField, value: string): readonly LiveStream[] {
    return [...(this.#indexes[field].get(value) ?? [])];
  }

  add(stream: LiveStream): void {
    this.#byEpoch.set(stream.record.epoch, stream);
    for (const [field, index] of this.#entries) {
      const value = stream.record[field];
      const others = index.get(value) ?? new Set();
      index.set(value, others.add(stream));
    }
  }

  delete({ record }: LiveStream): void {
    const stream = this.#byEpoch.get(record.epoch);
    if (stream === undefined) return;
    this.#byEpoch.delete(record.epoch);
    for (const [field, index] of this.#entries) {
      const others = index.get(record[field]);
      others?.delete(stream);
      if (others?.size === 0) index.delete(record[field]);
    }
  }

  get #entries(): readonly (readonly [IndexedField, Map<string, Set<LiveStream>>])[] {
    const { key, relativePipe, file } = this.#indexes;
    return [
      ["key", key],
      ["relativePipe", relativePipe],
      ["file", file],
    ];
  }
}
