// SPDX-License-Identifier: Apache-2.0
// A stream whose file belongs to another stream now: it has its record and counters, but no log.

import type { Intent } from "./note.ts";
import { counter, type Outlet } from "./outlet.ts";
import type { Positions } from "./positions.ts";
import { type SinkReport, type StreamSink, sinkReport } from "./stream-sink.ts";

export class FormerLog implements StreamSink {
  readonly positions: Positions;
  readonly #lastWriteAtMs: number | undefined;

  constructor(positions: Positions, lastWriteAtMs: number | undefined) {
    this.positions = positions;
    this.#lastWriteAtMs = lastWriteAtMs;
  }

  outlet(intent: Intent, nullFd: number): Outlet {
    if (intent.kind === "write") throw new Error("write to a log that another stream has");
    return counter(intent, this.positions, nullFd, "unmarked");
  }

  get offset(): number {
    return this.positions.endAt(0);
  }

  prepare(): undefined {}

  mark(text: string): undefined {
    this.positions.mark(text);
  }

  look(): undefined {}

  reconfigure(): undefined {}

  report(): SinkReport {
    return sinkReport(this.positions, 0, 0, this.#lastWriteAtMs);
  }

  close(): void {
    this.positions.close();
  }
}
