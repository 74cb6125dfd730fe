// SPDX-License-Identifier: Apache-2.0
// Sees to it that a daemon runs while COMMAND does: a long poll that is always open fails at once when
// the daemon dies, and then another daemon is started. COMMAND only finds its pipe full for a moment.

import type { StreamStatus } from "../../control/index.ts";
import { pause, retry } from "../../program/index.ts";
import type { Membership } from "./membership.ts";

export interface DaemonWatch extends AsyncDisposable {
  /** The last status, or `undefined` if the daemon has forgotten the stream after its close. */
  readonly closed: Promise<StreamStatus | undefined>;
  /** True while there is no daemon. */
  isAway(): boolean;
  /** From now on a daemon that does not know the stream has closed it. */
  expectClose(): void;
}

export interface WatchOptions {
  readonly membership: Membership;
  /** Called with a sentence, once for each reason, when no daemon can be started. */
  readonly onTrouble: (error: unknown) => void;
}

const longPollMs = 30_000;
const statusPollMs = 200;
const unknownPollMs = 100;
/** A daemon that has just started may not know its streams for a moment. */
const unknownWarnedAt = 50;
const backoff = { firstMs: 50, maxMs: 2000 };

/** Asks for the end of the stream of this epoch until it comes. */
export function watchDaemon(options: WatchOptions, epoch: string): DaemonWatch {
  const ending = new AbortController();
  const { daemon } = options.membership;
  let presence: Presence = "present";
  let phase: "open" | "closing" = "open";
  let unknown = 0;
  const ask = async (): Promise<Answer> => {
    const asked = phase;
    const outcome = await daemon.waitClosed(epoch, {
      timeoutMs: longPollMs,
      signal: ending.signal,
    });
    if (outcome !== "unknown") unknown = 0;
    if (outcome === "open") return "again";
    if (outcome !== "unknown") return { status: outcome };
    if (asked === "closing") return { status: undefined };
    unknown += 1;
    if (unknown === unknownWarnedAt) {
      options.onTrouble(new Error("xenlogd no longer knows this log, COMMAND may have to wait"));
    }
    await pause(unknownPollMs, ending.signal);
    return "again";
  };
  const setPresence = (now: Presence): void => {
    presence = now;
  };
  const closed = askWhileRunning(ask, options, setPresence, ending.signal);
  return {
    closed,
    isAway: () => presence === "away",
    expectClose: () => {
      phase = "closing";
    },
    [Symbol.asyncDispose]: async () => {
      ending.abort();
      await closed;
    },
  };
}

/** Runs `body` while a daemon runs, for the time before there is a stream. */
export async function withDaemonWatched<T>(
  options: WatchOptions,
  body: () => Promise<T>,
): Promise<T> {
  const ending = new AbortController();
  const ask = async (): Promise<Answer> => {
    await options.membership.daemon.status(ending.signal);
    await pause(statusPollMs, ending.signal);
    return "again";
  };
  const watching = askWhileRunning(ask, options, () => undefined, ending.signal);
  try {
    return await body();
  } finally {
    ending.abort();
    await watching;
  }
}

type Presence = "present" | "away";

type Answer = "again" | { readonly status: StreamStatus | undefined };

/** Asks again and again, with a new daemon when one has died. Never rejects; `undefined` at the end. */
async function askWhileRunning(
  ask: () => Promise<Answer>,
  { membership, onTrouble }: WatchOptions,
  setPresence: (presence: Presence) => void,
  ending: AbortSignal,
): Promise<StreamStatus | undefined> {
  while (!ending.aborted) {
    try {
      const answer = await ask();
      if (answer !== "again") return answer.status;
    } catch {
      if (ending.aborted) break;
      setPresence("away");
      await retry(() => membership.ensure(ending), {
        backoff,
        signal: ending,
        onFailure: onTrouble,
      }).catch(() => undefined);
      setPresence("present");
    }
  }
  return undefined;
}
