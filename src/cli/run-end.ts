// SPDX-License-Identifier: Apache-2.0
// The end of a `run`: the nodes go, the daemon drains and closes, the last line says what is kept.
// What COMMAND has left running delays it by 2 s at most.

import { setTimeout as delay } from "node:timers/promises";
import type { StreamStatus } from "../control/index.ts";
import { ToolstackError } from "../toolstack/index.ts";
import { findFifoWriters } from "./fifo-writers.ts";
import type { Invocation } from "./globals.ts";
import type { Keeper } from "./keeper.ts";
import type { Membership } from "./membership.ts";
import type { OpenLog } from "./open-log.ts";
import { sumOf } from "./units.ts";

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
  readonly keeper: Keeper;
  readonly log: OpenLog;
}

/** The stream's last status that could be had. */
export async function closeLog(end: RunEnd): Promise<StreamStatus | undefined> {
  const { keeper, log, membership } = end;
  await removeNodes(log);
  keeper.expectClose();
  const last = (): Promise<StreamStatus | undefined> =>
    log.readStatus(membership.daemon).catch(() => undefined);
  if ((await waitClosed(end)) !== "closed") return await last();
  return (await keeper.closed) ?? (await last());
}

/** Throws the last ToolstackError when xenstore stays away. */
async function removeNodes(log: OpenLog): Promise<void> {
  const deadline = performance.now() + removeMsMax;
  for (;;) {
    try {
      return await log.handle.close();
    } catch (error) {
      const away = error instanceof ToolstackError && error.code === "xenstore";
      if (!away || performance.now() > deadline) throw error;
      await delay(pollMs);
    }
  }
}

async function waitClosed({ invocation, keeper, log }: RunEnd): Promise<"closed" | "open"> {
  const closed = keeper.closed.then(() => "closed" as const);
  const startedAt = performance.now();
  let presentMs = 0;
  for (let polledAt = startedAt; ; ) {
    if ((await Promise.race([closed, delay(pollMs, "open" as const)])) === "closed")
      return "closed";
    const now = performance.now();
    if (!keeper.isAway()) presentMs += now - polledAt;
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
