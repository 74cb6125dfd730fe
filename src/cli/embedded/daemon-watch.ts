// SPDX-License-Identifier: Apache-2.0
// Watches the daemon while COMMAND runs, and starts another when it dies. A request that the daemon
// answers late (long poll) fails at once when it dies, so COMMAND's pipe is full only for a moment.

import type { StreamStatus } from "../../control/index.ts";
import { type Backoff, pause, retry } from "../../program/index.ts";
import type { Membership } from "./membership.ts";

export interface DaemonWatch extends AsyncDisposable {
  /** The last status, or `undefined` if the daemon no longer lists the closed stream. */
  readonly closed: Promise<StreamStatus | undefined>;
  /** True while no daemon answers. */
  isAway(): boolean;
  /** From now on a daemon that does not list the stream has closed it. */
  expectClose(): void;
}

export interface WatchOptions {
  readonly membership: Membership;
  /** Called once for each new reason why no daemon can be started. */
  readonly onTrouble: (error: unknown) => void;
  /** The stream cannot be written now, or it can again. */
  readonly onStall: (status: StreamStatus) => void;
}

interface WatchState {
  daemon: "answers" | "away";
  stream: "open" | "closing";
}

const longPollMs = 30_000;
const statusPollMs = 200;
const unknownPollMs = 100;
/** A daemon that has just started does not list its streams for a moment. */
const unknownPollsWarned = 50;
const startBackoff: Backoff = { firstMs: 50, maxMs: 2000 };

/** What one request to the daemon found. */
type Turn = "again" | { readonly status: StreamStatus | undefined };

/** Watches until the stream of this epoch is closed. */
export function watchDaemon(options: WatchOptions, epoch: string): DaemonWatch {
  const ending = new AbortController();
  const state: WatchState = { daemon: "answers", stream: "open" };
  const turn = awaitClose(options, epoch, state, ending.signal);
  const closed = watch(turn, options, state, ending.signal);
  return {
    closed,
    isAway: () => state.daemon === "away",
    expectClose: () => {
      state.stream = "closing";
    },
    [Symbol.asyncDispose]: async () => {
      ending.abort();
      await closed;
    },
  };
}

function awaitClose(
  { membership, onTrouble, onStall }: WatchOptions,
  epoch: string,
  state: WatchState,
  ending: AbortSignal,
): () => Promise<Turn> {
  let unknownPolls = 0;
  let stalledSince = "";
  return async () => {
    // Read before the request: an answer to an earlier one does not mean that the stream is closed.
    const isClosing = state.stream === "closing";
    const options = { timeoutMs: longPollMs, signal: ending, stalledSince };
    const outcome = await membership.daemon.waitClosed(epoch, options);
    if (outcome !== "unknown") {
      unknownPolls = 0;
      if (outcome === "open") return "again";
      if (outcome.state === "closed") return { status: outcome };
      stalledSince = outcome.stalled?.since ?? "";
      onStall(outcome);
      return "again";
    }
    if (isClosing) return { status: undefined };
    unknownPolls += 1;
    if (unknownPolls === unknownPollsWarned) {
      onTrouble(new Error("xenlogd no longer knows this log, COMMAND may have to wait"));
    }
    await pause(unknownPollMs, ending);
    return "again";
  };
}

/** Runs `body` and watches the daemon meanwhile: for the time before there is a stream. */
export async function whileWatched<T>(options: WatchOptions, body: () => Promise<T>): Promise<T> {
  const ending = new AbortController();
  const turn = async (): Promise<Turn> => {
    await options.membership.daemon.status(ending.signal);
    await pause(statusPollMs, ending.signal);
    return "again";
  };
  const state: WatchState = { daemon: "answers", stream: "open" };
  const watched = watch(turn, options, state, ending.signal);
  try {
    return await body();
  } finally {
    ending.abort();
    await watched;
  }
}

/** Never rejects; `undefined` when it is aborted. */
async function watch(
  turn: () => Promise<Turn>,
  { membership, onTrouble }: WatchOptions,
  state: WatchState,
  ending: AbortSignal,
): Promise<StreamStatus | undefined> {
  const restart = { backoff: startBackoff, signal: ending, onFailure: onTrouble };
  while (!ending.aborted) {
    try {
      const outcome = await turn();
      if (outcome !== "again") return outcome.status;
    } catch {
      if (ending.aborted) break;
      state.daemon = "away";
      // It fails only when it is aborted, which ends the loop.
      await retry(() => membership.ensure(ending), restart).catch(() => undefined);
      state.daemon = "answers";
    }
  }
  return undefined;
}
