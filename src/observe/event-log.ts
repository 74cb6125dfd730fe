// SPDX-License-Identifier: Apache-2.0
// One event is one line of the daemon's own log. ERROR means that bytes were lost or an operator must
// act, WARN that something was recovered, INFO is lifecycle.

import { type Logger, pino } from "pino";
import { describeErrno, isWritable } from "../kernel/index.ts";
import { LineOutput, safeJsonText } from "../program/index.ts";
import type { DaemonEvent, EmitEvent } from "./events.ts";

type Level = "info" | "warn" | "error";

const levelOf: Record<DaemonEvent["kind"], Level> = {
  DaemonStarted: "info",
  ConfigurationReloaded: "info",
  ConfigurationRefused: "error",
  DaemonStopped: "info",
  StreamOpened: "info",
  StreamClosed: "info",
  StreamRefused: "warn",
  StreamReconfigured: "info",
  StreamChangeRefused: "warn",
  RefusedDrained: "warn",
  StreamUntrusted: "warn",
  StreamStalled: "error",
  StreamDropping: "error",
  StreamResumed: "warn",
  StageRecovered: "warn",
  StageOrphaned: "error",
  StageLost: "error",
  LogInterfered: "warn",
  PumpStarted: "info",
  PumpEnded: "warn",
  VaultProcessLost: "warn",
  VaultProcessReplaced: "info",
  VaultProcessFailed: "error",
  FifoNotKept: "error",
  StagesRestored: "warn",
  // What was in them is reported for each log.
  StagesLost: "warn",
  StateSetAside: "error",
  FifoLost: "error",
  ServiceManagerLost: "error",
  XenstoreAwaited: "warn",
  LogLinesLost: "error",
  XenstoreConnected: "info",
  XenstoreLost: "warn",
  FifosCollected: "warn",
  NodesCollected: "warn",
  StoreStarted: "info",
};

export interface EventLine {
  readonly level: Level;
  readonly message: string;
  readonly fields: object;
}

/** The line of an event. */
export function lineOf({ kind, ...fields }: DaemonEvent): EventLine {
  return { level: levelOf[kind], message: kind, fields };
}

/** The daemon's own log. */
export interface EventLog {
  readonly emit: EmitEvent;
  /** Lines that could not be written since the start. */
  readonly lostLines: number;
}

/** What a thousand new streams say at once: journald, or a test, may be busy for a moment. */
const keptBytesMax = 262_144;

/**
 * Events on standard error, one JSON object a line. A line is written when `emit` returns, since the
 * reason for an end is in the last one; it is kept for a reader that is slow, or lost and counted.
 */
export function openEventLog(fd: number = 2): EventLog {
  const format = lineFormat();
  const output = new LineOutput({
    fd,
    isReady: isWritable,
    keptBytesMax,
    lossLine: (lines, code) => format({ kind: "LogLinesLost", lines, reason: describeErrno(code) }),
  });
  return {
    emit: (event) => output.write(format(event)),
    get lostLines() {
      return output.lostLines;
    },
  };
}

function lineFormat(): (event: DaemonEvent) => string {
  let line = "";
  const logger: Logger = pino(
    {
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      hooks: { streamWrite: safeJsonText },
    },
    {
      write: (text) => {
        line = text;
      },
    },
  );
  return (event) => {
    const { level, message, fields } = lineOf(event);
    logger[level](fields, message);
    return line;
  };
}
