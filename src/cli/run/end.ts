// SPDX-License-Identifier: Apache-2.0
// The end of a `run`: the nodes go, the daemon drains and closes, the last line says what is kept.
// What COMMAND has left running delays it by 2 s at most.

import { setTimeout as sleep } from "node:timers/promises";
import type { StreamStatus } from "../../control/index.ts";
import { retry } from "../../program/index.ts";
import { ToolstackError } from "../../toolstack/index.ts";
import type { DaemonWatch, Membership } from "../embedded/index.ts";
import type { Invocation } from "../invocation/index.ts";
import { sumOf } from "../terminal/index.ts";
import { findFifoWriters } from "./fifo-writers.ts";
import type { OpenLog } from "./open-log.ts";

/** How long a process that COMMAND has left behind is waited for. */
const writersMsMax = 2000;
/** How long a daemon may drain a log that nobody writes to any more. */
const drainMsMax = 15_000;
/** Without a daemon that time stands still; here the patience ends. */
const closeMsMax = 60_000;
/** How long the embedded store may be away. */
const removeMsMax = 15_000;
const pollMs = 50;

export interface RunEnd {
  readonly invocation: Invocation;
  readonly membership: Membership;
  readonly watch: DaemonWatch;
  readonly log: OpenLog;
}

/** The stream's last status that could be had. */
export async function closeLog(end: RunEnd): Promise<StreamStatus | undefined> {
  const { watch, log, membership } = end;
  await removeNodes(log);
  watch.expectClose();
  const last = (): Promise<StreamStatus | undefined> =>
    log.readStatus(membership.daemon).catch(() => undefined);
  if ((await waitClosed(end)) !== "closed") return await last();
  return (await watch.closed) ?? (await last());
}

/** Throws the last ToolstackError when xenstore stays away. */
async function removeNodes(log: OpenLog): Promise<void> {
  await retry(() => log.handle.close(), {
    backoff: { firstMs: pollMs, maxMs: pollMs },
    waitMsMax: removeMsMax,
    isPassing: (error) => error instanceof ToolstackError && error.code === "xenstore",
  });
}

async function waitClosed({ invocation, watch, log }: RunEnd): Promise<"closed" | "open"> {
  const closed = watch.closed.then(() => "closed" as const);
  const startedAt = performance.now();
  let presentMs = 0;
  for (let polledAt = startedAt; ; ) {
    if ((await Promise.race([closed, sleep(pollMs, "open" as const)])) === "closed")
      return "closed";
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

/** Always there, whatever else is not said. */
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

function say({ context }: Invocation, text: string): void {
  context.stderr.write(`xenlog: ${text}\n`);
}
