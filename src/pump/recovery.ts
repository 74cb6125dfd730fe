// SPDX-License-Identifier: Apache-2.0
// What a killed pump left in its stages goes into the logs that the owner notes name. Needs neither
// xenstore nor the main process's stream table.

import { splice } from "../kernel/index.ts";
import { LogfileError } from "../logfile/index.ts";
import { LogSink } from "./log-sink.ts";
import type { FromPump } from "./messages.ts";
import type { LogTarget } from "./record.ts";
import type { FilledStage, StagePool } from "./stage-pool.ts";

export interface RecoveryOptions {
  readonly pool: StagePool;
  readonly positionsDirectory: string;
  readonly nullFd: number;
  readonly send: (message: FromPump) => void;
}

/** Bytes that the file system refuses stay in their stage, for the stream to try again. */
export interface Leftover {
  readonly epoch: string;
  readonly filled: FilledStage;
}

export function recoverStages(options: RecoveryOptions): readonly Leftover[] {
  const leftovers: Leftover[] = [];
  for (const filled of options.pool.takeFilled()) {
    const { target } = filled;
    if (target === undefined) {
      // Notes are written before a stage is filled: without one the bytes are not from us.
      splice(filled.stage.fd, options.nullFd, filled.bytes);
      options.send({ type: "orphaned", bytes: filled.bytes });
      options.pool.give(filled.stage);
      continue;
    }
    const recovered = finish(filled, target, options.positionsDirectory);
    if (recovered > 0) options.send({ type: "recovered", epoch: target.epoch, bytes: recovered });
    if (recovered === filled.bytes) {
      options.pool.give(filled.stage);
    } else {
      const bytes = filled.bytes - recovered;
      leftovers.push({ epoch: target.epoch, filled: { ...filled, bytes } });
    }
  }
  return leftovers;
}

/** Returns the bytes that are in the log now. */
function finish(filled: FilledStage, target: LogTarget, positionsDirectory: string): number {
  try {
    const sink = new LogSink(target, positionsDirectory);
    try {
      return sink.append(filled.stage.fd, filled.bytes).movedBytes;
    } finally {
      sink.close();
    }
  } catch (error) {
    if (!(error instanceof LogfileError)) throw error;
    return 0;
  }
}
