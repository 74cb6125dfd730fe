// SPDX-License-Identifier: Apache-2.0
// What a pump reports of a stream that the daemon only passes on, as an event of its own log.

import type { DaemonEvent } from "../../observe/index.ts";
import type { FromPump } from "../../pump/index.ts";

/** The event of a message; `undefined` if the message is for another part of the daemon. */
export function eventOf(
  message: FromPump,
  keyOf: (epoch: string) => string,
): DaemonEvent | undefined {
  switch (message.type) {
    case "stalled":
      return { kind: "StreamStalled", key: keyOf(message.epoch), reason: message.reason };
    case "resumed":
      return { kind: "StreamResumed", key: keyOf(message.epoch) };
    case "recovered":
      return { kind: "StageRecovered", epoch: message.epoch, bytes: message.bytes };
    case "lost": {
      const { epoch, bytes, certainty } = message;
      return { kind: "StageLost", key: keyOf(epoch), bytes, certainty };
    }
    case "interfered": {
      const { epoch, what, to } = message;
      return { kind: "LogInterfered", key: keyOf(epoch), what, ...(to !== undefined && { to }) };
    }
    case "orphaned":
      return { kind: "StageOrphaned", bytes: message.bytes };
    default:
      return undefined;
  }
}
