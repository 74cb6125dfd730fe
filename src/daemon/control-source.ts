// SPDX-License-Identifier: Apache-2.0
// The daemon as the control API sees it: streams and their counters in the frozen fields.

import {
  type ControlSource,
  countersOf,
  type DaemonStatus,
  type ReloadOutcome,
  type RequestState,
  type StreamStatus,
} from "../control/index.ts";
import type { StreamRecord, StreamReport } from "../pump/index.ts";
import type { Refusal, Refusals } from "./requests/index.ts";
import type { LiveStream, Streams } from "./streams/index.ts";

export interface ControlSourceOptions {
  readonly streams: Streams;
  readonly refusals: Refusals;
  readonly status: () => DaemonStatus;
  readonly stop: () => void;
  readonly reload: () => ReloadOutcome;
}

export function controlSource(options: ControlSourceOptions): ControlSource {
  const { streams } = options;
  return {
    status: options.status,
    stop: options.stop,
    reload: options.reload,
    streams: async ({ all }) => {
      await streams.refresh();
      const live = streams.live.map((stream) => statusOfLive(stream));
      live.push(...options.refusals.held.map(statusOfRefused));
      if (!all) return live;
      const closed = streams.closed.map(({ record, report }) => statusOf(record, "closed", report));
      return [...live, ...closed];
    },
    waitClosed: async (epoch, signal, stalledSince) => {
      const changed = await streams.waits.wait(epoch, signal, stalledSince);
      if (changed === undefined) return undefined;
      if ("phase" in changed) return statusOfLive(changed);
      return statusOf(changed.record, "closed", changed.report);
    },
  };
}

function statusOfLive(stream: LiveStream): StreamStatus {
  const { record, report, error, stall } = stream;
  const status = statusOf(record, stateOf(stream), report);
  const { reason = "", fileSystem = "", since = "", droppingSince } = stall ?? {};
  return {
    ...status,
    error: error ?? null,
    stalled: stall === undefined ? null : { reason, fileSystem, since },
    dropping: droppingSince === undefined ? null : { since: droppingSince },
  };
}

function stateOf(stream: LiveStream): RequestState {
  if (stream.record.nodes === "gone") return "closing";
  return stream.phase === "opening" ? "pending" : "ready";
}

/** The request as far as it can be read; without an epoch, because nothing was logged. */
function statusOfRefused({ key, pipe, nodes, about, drain }: Refusal): StreamStatus {
  const { owner } = key;
  const file = nodes.file ?? "";
  const number = (text: string | undefined): number =>
    /^\d{1,15}$/.test(text ?? "") ? Number(text) : 0;
  const dropped = drain?.counter.bytes ?? 0;
  const [limit, copies] = [number(nodes.limit), number(nodes.copies)];
  return {
    domid: owner.kind === "host" ? null : owner.domid,
    name: about.name ?? "",
    log: about.log ?? "",
    id: key.id,
    state: "failed",
    pipe,
    file,
    limit,
    copies,
    overflow: "auto",
    epoch: "",
    error: nodes.error ?? null,
    ...countersOf(undefined),
    boundBytes: 0,
    droppedBytes: dropped === 0 ? {} : { refused: dropped },
    stalled: null,
    dropping: null,
  };
}

function statusOf(
  record: StreamRecord,
  state: RequestState,
  report: StreamReport | undefined,
): StreamStatus {
  const [owner = "", id = ""] = record.key.split("/");
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
    ...countersOf(report),
    boundBytes: record.limitBytes * (record.copies + 1),
    stalled: null,
    dropping: null,
  };
}
