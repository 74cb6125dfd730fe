// SPDX-License-Identifier: Apache-2.0
// The end of a `run`: the nodes are removed, the daemon drains the log and closes it, the last line
// reports what is kept. A process that COMMAND has left running delays it by 2 s at most.

import { hostName } from "../../contract/index.ts";
import type { ControlClient, StreamStatus } from "../../control/index.ts";
import { type Backoff, pause, retry } from "../../program/index.ts";
import { ToolstackError } from "../../toolstack/index.ts";
import type { DaemonWatch } from "../embedded/index.ts";
import type { Invocation } from "../invocation/index.ts";
import { nameOf } from "../logs/index.ts";
import { say, sumOf } from "../terminal/index.ts";
import { findFifoWriters } from "./fifo-writers.ts";
import type { OpenLog } from "./open-log.ts";

/** How long to wait for processes that COMMAND has left running. */
const writersMsMax = 2000;
/** How long a daemon may drain a log that has no writer any more. */
const drainMsMax = 15_000;
/** Limit for both together; the two above count only while a daemon answers. */
const closeMsMax = 60_000;
/** How long xenstore may be away when the nodes are removed. */
const removeMsMax = 15_000;
const pollMs = 50;
const removeBackoff: Backoff = { firstMs: 50, maxMs: 50 };

export interface RunEnd {
  readonly invocation: Invocation;
  readonly daemon: ControlClient;
  readonly watch: DaemonWatch;
  readonly log: OpenLog;
}

export interface ClosedLog {
  /** The last one, `undefined` if no daemon gave it. */
  readonly status: StreamStatus | undefined;
  /** False if the log is no longer waited for: the daemon closes it after its last writer. */
  readonly isClosed: boolean;
}

export async function closeLog(end: RunEnd): Promise<ClosedLog> {
  const { watch, log, daemon } = end;
  await removeNodes(log);
  watch.expectClose();
  const last = (): Promise<StreamStatus | undefined> =>
    log.readStatus(daemon).catch(() => undefined);
  if ((await waitClosed(end)) === "open") return { status: await last(), isClosed: false };
  return { status: (await watch.closed) ?? (await last()), isClosed: true };
}

/** Throws the last ToolstackError when xenstore stays away. */
function removeNodes(log: OpenLog): Promise<void> {
  return retry(() => log.handle.close(), {
    backoff: removeBackoff,
    waitMsMax: removeMsMax,
    isPassing: (error) => error instanceof ToolstackError && error.code === "xenstore",
  });
}

async function waitClosed({ invocation, watch, log }: RunEnd): Promise<"closed" | "open"> {
  const closed = watch.closed.then(() => "closed" as const);
  const startedAt = performance.now();
  let presentMs = 0;
  for (let polledAt = startedAt; ; ) {
    const outcome = await Promise.race([closed, pause(pollMs)]);
    if (outcome === "closed") return outcome;
    const now = performance.now();
    if (!watch.isAway()) presentMs += now - polledAt;
    polledAt = now;
    if (presentMs < writersMsMax && now - startedAt < closeMsMax) continue;
    const writers = findFifoWriters(log.handle.pipe).map(({ pid, name }) => `${name} (pid ${pid})`);
    if (writers.length === 0 && presentMs < drainMsMax && now - startedAt < closeMsMax) continue;
    say(invocation, `${log.title} ${reasonOf(writers)}`);
    return "open";
  }
}

function reasonOf(writers: readonly string[]): string {
  if (writers.length === 0)
    return "is not drained yet, and is no longer waited for: xenlogd goes on with it";
  return `is still held open by ${writers.join(", ")}, and is no longer waited for: xenlogd stays until it is closed`;
}

/** Printed always, also with --quiet; with --json as an object with the names of `list --json`. */
export function printLastLine(
  invocation: Invocation,
  log: OpenLog,
  status: StreamStatus | undefined,
  code: number,
): void {
  if (invocation.globals.json) {
    invocation.context.stderr.json(describeEnd(log, status, code));
    return;
  }
  const numbers = {
    kept: status?.sizeBytes,
    written: status?.writtenBytes,
    dropped: status === undefined ? undefined : sumOf(status.droppedBytes),
    rotations: status?.rotations,
  };
  const words = Object.entries(numbers).map(([name, value]) => `${name}=${value ?? "?"}`);
  say(invocation, `${log.title} ${log.handle.file} ${words.join(" ")}`);
}

/** What no daemon said is null. */
function describeEnd(log: OpenLog, status: StreamStatus | undefined, code: number): object {
  return {
    domid: log.owner.kind === "host" ? null : log.owner.domid,
    name: nameOf(log.owner) ?? hostName,
    log: log.name,
    file: log.handle.file,
    epoch: log.epoch,
    sizeBytes: status?.sizeBytes ?? null,
    writtenBytes: status?.writtenBytes ?? null,
    droppedBytes: status?.droppedBytes ?? null,
    rotations: status?.rotations ?? null,
    exitCode: code,
  };
}
