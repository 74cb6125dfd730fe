// SPDX-License-Identifier: Apache-2.0
// One event is one line of the daemon's own log. ERROR means that bytes were lost or an operator must
// act, WARN that something was recovered, INFO is lifecycle.

import { destination, type Logger, pino } from "pino";
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
  StreamUntrusted: "warn",
  StreamStalled: "error",
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
  StagesRestored: "warn",
  StagesLost: "error",
  StateSetAside: "error",
  FifoLost: "error",
  ServiceManagerLost: "error",
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

/** Writes events to stderr, one JSON object a line, and returns when the line is written. */
export function logEvents(): EmitEvent {
  const logger: Logger = pino(
    {
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    // Written at once: the reason for an end is in the last line.
    destination({ fd: 2, sync: true }),
  );
  return (event) => {
    const { level, message, fields } = lineOf(event);
    logger[level](fields, message);
  };
}
