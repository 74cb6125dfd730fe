// SPDX-License-Identifier: Apache-2.0
// Which stream an event is about, and what a pump reports that the daemon only passes on, as an event
// of its own log.

import type { DaemonEvent, EventStream } from "../../observe/index.ts";
import type { FromPump, StreamRecord } from "../../pump/index.ts";

export function aboutStream({ key, name, log, file }: StreamRecord): EventStream {
  return { key, name, log, file };
}

/** The event of a message; `undefined` if the message is for another part of the daemon. */
export function eventOf(
  message: FromPump,
  about: (epoch: string) => EventStream,
): DaemonEvent | undefined {
  switch (message.type) {
    case "recovered": {
      const { epoch, bytes } = message;
      return { kind: "StageRecovered", ...about(epoch), epoch, bytes };
    }
    case "lost": {
      const { epoch, bytes, certainty } = message;
      return { kind: "StageLost", ...about(epoch), bytes, certainty };
    }
    case "interfered": {
      const { epoch, what, to } = message;
      return { kind: "LogInterfered", ...about(epoch), what, ...(to !== undefined && { to }) };
    }
    case "orphaned":
      return { kind: "StageOrphaned", bytes: message.bytes };
    default:
      return undefined;
  }
}
