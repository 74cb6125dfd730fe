// SPDX-License-Identifier: Apache-2.0
// Says in a log that what its FIFO held is lost: the last descriptor of the FIFO was closed when the
// daemon was killed with all that keeps it open. The kernel reports to no process how much that was.

import type { Refusal } from "../logfile/index.ts";
import { fifoLostMarker } from "./markers.ts";
import type { StreamSink } from "./stream-sink.ts";

/** Once for each `atMs`; the marker stands before what comes. Returns why it is not written yet. */
export function markLostFifo(sink: StreamSink, atMs: number): Refusal | undefined {
  // Losses are distinguished by the inodes of stages, which are positive.
  const { positions } = sink;
  if (positions.lost(0 - atMs, "crash", 0, fifoLostMarker(atMs)) === "countedBefore")
    return undefined;
  return sink.prepare();
}
