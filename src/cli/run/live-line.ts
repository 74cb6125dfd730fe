// SPDX-License-Identifier: Apache-2.0
// One line on a terminal that is written again and again while COMMAND runs.

import type { StreamStatus } from "../../control/index.ts";
import { pause, safeText } from "../../program/index.ts";
import type { Invocation } from "../invocation/index.ts";
import { titleOf } from "../logs/index.ts";
import { formatBytes, formatCount, hasColor, sumOf } from "../terminal/index.ts";

const refreshMs = 250;

/** `demo/console 196 KiB of 256 KiB kept · 12.3 MiB written · 3 rotations`, at most `columns` wide. */
export function formatLiveLine(status: StreamStatus, columns: number): string {
  const dropped = sumOf(status.droppedBytes);
  const parts = [
    `${titleOf(status)} ${formatBytes(status.sizeBytes)} of ${formatBytes(status.boundBytes)} kept`,
    `${formatBytes(status.writtenBytes)} written`,
    formatCount(status.rotations, "rotation"),
    ...(status.stalled === null ? [] : [`${stateWord(status)}: ${status.stalled.reason}`]),
    ...(dropped > 0 ? [`${formatBytes(dropped)} dropped`] : []),
  ];
  return safeText(parts.join(" · ")).slice(0, columns);
}

function stateWord({ dropping }: StreamStatus): string {
  return dropping === null ? "stalled" : "dropping";
}

/** Shows the line until disposed; only on a terminal, and not with --quiet or --json. */
export function showLiveLine(
  invocation: Invocation,
  read: () => Promise<StreamStatus | undefined>,
): AsyncDisposable {
  const { stderr } = invocation.context;
  const ending = new AbortController();
  const shown = isWanted(invocation) ? refresh(invocation, read, ending.signal) : undefined;
  return {
    [Symbol.asyncDispose]: async () => {
      ending.abort();
      await shown;
      if (shown !== undefined) stderr.overwrite("");
    },
  };
}

function isWanted({ context, globals }: Invocation): boolean {
  return context.stderr.isTerminal && globals.verbosity !== "quiet" && !globals.json;
}

async function refresh(
  invocation: Invocation,
  read: () => Promise<StreamStatus | undefined>,
  ending: AbortSignal,
): Promise<void> {
  const { stderr } = invocation.context;
  const style = hasColor(invocation, stderr) ? "dim" : "plain";
  while (!ending.aborted) {
    // While no daemon answers the last line stays; another daemon is being started.
    const status = await read().catch(() => undefined);
    if (status !== undefined && !ending.aborted) {
      stderr.overwrite(formatLiveLine(status, stderr.columns - 1), style);
    }
    await pause(refreshMs, ending).catch(() => undefined);
  }
}
