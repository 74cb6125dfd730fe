// SPDX-License-Identifier: Apache-2.0
// The daemon as the control API sees it: streams and their counters in the frozen fields.

import type { ControlSource, DaemonStatus, StreamState, StreamStatus } from "../control/index.ts";
import type { StreamRecord, StreamReport } from "../pump/index.ts";
import type { LiveStream, Streams } from "./streams.ts";

export interface ControlSourceOptions {
  readonly streams: Streams;
  readonly status: () => DaemonStatus;
  readonly stop: () => void;
}

export function controlSource(options: ControlSourceOptions): ControlSource {
  const { streams } = options;
  return {
    status: options.status,
    stop: options.stop,
    streams: async ({ all }) => {
      await streams.refresh();
      const live = streams.live.map((stream) =>
        statusOf(stream.record, stateOf(stream), stream.report),
      );
      if (!all) return live;
      const closed = streams.closed.map(({ record, report }) => statusOf(record, "closed", report));
      return [...live, ...closed];
    },
    waitClosed: async (epoch, signal) => {
      const closed = await streams.waitClosed(epoch, signal);
      return closed === undefined ? undefined : statusOf(closed.record, "closed", closed.report);
    },
  };
}

function stateOf(stream: LiveStream): StreamState {
  if (stream.nodes === "gone") return "closing";
  return stream.phase === "opening" ? "pending" : "ready";
}

const none = {
  offset: 0,
  oldestOffset: 0,
  sizeBytes: 0,
  rotations: 0,
  writtenBytes: 0,
  droppedBytes: {},
  lastWriteAt: null,
} as const;

function statusOf(
  record: StreamRecord,
  state: StreamState,
  report: StreamReport | undefined,
): StreamStatus {
  const [owner = "", id = ""] = record.key.split("/");
  const counters = report ?? none;
  return {
    domid: owner === "host" ? null : Number(owner),
    name: record.name,
    log: record.log,
    id: Number(id),
    state,
    pipe: record.pipe,
    file: record.file,
    limit: record.limitBytes,
    copies: record.copies,
    overflow: record.overflow,
    epoch: record.epoch,
    error: null,
    offset: counters.offset,
    oldestOffset: counters.oldestOffset,
    sizeBytes: counters.sizeBytes,
    boundBytes: record.limitBytes * (record.copies + 1),
    rotations: counters.rotations,
    writtenBytes: counters.writtenBytes,
    droppedBytes: counters.droppedBytes,
    lastWriteAt: counters.lastWriteAt,
  };
}
