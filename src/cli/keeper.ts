// SPDX-License-Identifier: Apache-2.0
// Keeps a daemon there while COMMAND runs: a question that is always open tells us at once when it
// dies, and then another is started. COMMAND only sees its pipe full for a moment.

import { setTimeout as delay } from "node:timers/promises";
import type { StreamStatus } from "../control/index.ts";
import type { Membership } from "./membership.ts";

export interface Keeper extends AsyncDisposable {
  /** The last status, or `undefined` if the daemon has forgotten the stream after its close. */
  readonly closed: Promise<StreamStatus | undefined>;
  /** True while there is no daemon. */
  isAway(): boolean;
  /** From now on a daemon that does not know the stream has closed it. */
  expectClose(): void;
}

interface KeeperState {
  away: boolean;
  closing: boolean;
}

export interface KeeperOptions {
  readonly membership: Membership;
  /** Told once a failure, in a sentence, when no daemon can be started. */
  readonly onTrouble: (error: unknown) => void;
}

const longPollMs = 30_000;
const statusPollMs = 200;
const unknownPollMs = 100;
/** A daemon that has just started may not know its streams for a moment. */
const unknownWarnedAt = 50;
const retryMsMin = 50;
const retryMsMax = 2000;

/** Asks for the end of the stream of this epoch until it is there. */
export function keepDaemon(options: KeeperOptions, epoch: string): Keeper {
  const ending = new AbortController();
  const state: KeeperState = { away: false, closing: false };
  const { daemon } = options.membership;
  let unknown = 0;
  const turn = async (): Promise<Turn> => {
    const asked = { timeoutMs: longPollMs, signal: ending.signal };
    const closing = state.closing;
    const outcome = await daemon.waitClosed(epoch, asked);
    if (outcome !== "unknown") unknown = 0;
    if (outcome === "open") return "again";
    if (outcome !== "unknown") return { status: outcome };
    if (closing) return { status: undefined };
    unknown += 1;
    if (unknown === unknownWarnedAt) {
      options.onTrouble(new Error("xenlogd no longer knows this log, COMMAND may have to wait"));
    }
    await delay(unknownPollMs, undefined, { signal: ending.signal });
    return "again";
  };
  const closed = keep(turn, options, state, ending.signal);
  return {
    closed,
    isAway: () => state.away,
    expectClose: () => {
      state.closing = true;
    },
    [Symbol.asyncDispose]: async () => {
      ending.abort();
      await closed;
    },
  };
}

/** Runs `body` with a daemon kept there, for the time before there is a stream. */
export async function withDaemonKept<T>(
  options: KeeperOptions,
  body: () => Promise<T>,
): Promise<T> {
  const ending = new AbortController();
  const turn = async (): Promise<Turn> => {
    await options.membership.daemon.status(ending.signal);
    await delay(statusPollMs, undefined, { signal: ending.signal });
    return "again";
  };
  const kept = keep(turn, options, { away: false }, ending.signal);
  try {
    return await body();
  } finally {
    ending.abort();
    await kept;
  }
}

type Turn = "again" | { readonly status: StreamStatus | undefined };

/** Never rejects; `undefined` when it is ended. */
async function keep(
  turn: () => Promise<Turn>,
  options: KeeperOptions,
  state: { away: boolean },
  ending: AbortSignal,
): Promise<StreamStatus | undefined> {
  while (!ending.aborted) {
    try {
      const outcome = await turn();
      if (outcome !== "again") return outcome.status;
    } catch {
      if (ending.aborted) break;
      state.away = true;
      await bringBack(options, ending);
      state.away = false;
    }
  }
  return undefined;
}

async function bringBack(
  { membership, onTrouble }: KeeperOptions,
  ending: AbortSignal,
): Promise<void> {
  for (let retryMs = retryMsMin; !ending.aborted; retryMs = Math.min(retryMs * 2, retryMsMax)) {
    try {
      return await membership.ensure(ending);
    } catch (error) {
      if (ending.aborted) return;
      if (retryMs === retryMsMin) onTrouble(error);
      await delay(retryMs, undefined, { signal: ending }).catch(() => undefined);
    }
  }
}
