// SPDX-License-Identifier: Apache-2.0
// The end of a `run`: the nodes are removed, the daemon drains the log and closes it, the last line
// reports what is kept. A process that COMMAND has left running delays it by 2 s at most.

import type { ControlClient, StreamStatus } from "../../control/index.ts";
import { type Backoff, pause, retry } from "../../program/index.ts";
import { ToolstackError } from "../../toolstack/index.ts";
import type { DaemonWatch } from "../embedded/index.ts";
import type { Invocation } from "../invocation/index.ts";
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

/** Returns the last status of the stream, `undefined` if no daemon gave it. */
export async function closeLog(end: RunEnd): Promise<StreamStatus | undefined> {
  const { watch, log, daemon } = end;
  await removeNodes(log);
  watch.expectClose();
  const last = (): Promise<StreamStatus | undefined> =>
    log.readStatus(daemon).catch(() => undefined);
  if ((await waitClosed(end)) !== "closed") return await last();
  return (await watch.closed) ?? (await last());
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
  if (writers.length === 0) return "is not drained yet, and is no longer waited for";
  return `is still held open by ${writers.join(", ")}, and is no longer waited for`;
}

/** Printed always, also with --quiet. */
export function printLastLine(
  invocation: Invocation,
  log: OpenLog,
  status: StreamStatus | undefined,
): void {
  const numbers = {
    kept: status?.sizeBytes,
    written: status?.writtenBytes,
    dropped: status === undefined ? undefined : sumOf(status.droppedBytes),
    rotations: status?.rotations,
  };
  const words = Object.entries(numbers).map(([name, value]) => `${name}=${value ?? "?"}`);
  say(invocation, `${log.title} ${log.handle.file} ${words.join(" ")}`);
}
