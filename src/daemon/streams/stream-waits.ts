// SPDX-License-Identifier: Apache-2.0
// Those who wait for the end of a stream, or for a change of its stall.

import { EventEmitter, once } from "node:events";
import type { ClosedStream, ClosedStreams } from "./closed-streams.ts";
import type { LiveStream, LiveStreams } from "./live-streams.ts";

export class StreamWaits {
  readonly #live: LiveStreams;
  readonly #closed: ClosedStreams;
  /** By epoch. */
  readonly #changes: EventEmitter = new EventEmitter().setMaxListeners(0);

  constructor(live: LiveStreams, closed: ClosedStreams) {
    this.#live = live;
    this.#closed = closed;
  }

  /** The stream has ended, or its stall has begun or ended. */
  changed(epoch: string): void {
    this.#changes.emit(epoch);
  }

  /**
   * Resolves when the stream is closed, with `stalledSince` also when it has not the stall of that
   * time, empty for none; with `undefined` if it is not known, or after `signal`.
   */
  async wait(
    epoch: string,
    signal: AbortSignal,
    stalledSince?: string,
  ): Promise<ClosedStream | LiveStream | undefined> {
    for (;;) {
      const closed = this.#closed.get(epoch);
      if (closed !== undefined) return closed;
      const stream = this.#live.get(epoch);
      if (stream === undefined || signal.aborted) return undefined;
      const since = stream.stall?.since ?? "";
      if (stalledSince !== undefined && stalledSince !== since) return stream;
      await once(this.#changes, epoch, { signal }).catch(() => undefined);
    }
  }
}
