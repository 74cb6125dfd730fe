// SPDX-License-Identifier: Apache-2.0
// Makes this process one of the clients of an embedded daemon. The first client starts it, the last one
// stops it, and each of them starts another one when it dies. On a host the service manager does.

import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  type ControlClient,
  ControlError,
  controlClient,
  type StreamStatus,
} from "../../control/index.ts";
import type { Places } from "../../places/index.ts";
import {
  identifyProcess,
  isAlive,
  type Lock,
  pause,
  probeSocket,
  waitUntil,
} from "../../program/index.ts";
import type { CliContext } from "../invocation/index.ts";
import { CliError } from "../invocation/index.ts";
import { hasDaemon } from "../target/index.ts";
import { takeTurn } from "./lock.ts";
import { ensureDaemon, makeStateDirectory } from "./start.ts";

export interface Membership {
  readonly places: Places;
  readonly daemon: ControlClient;
  /** Returns when a daemon answers, having started one if need be. */
  ensure(signal: AbortSignal): Promise<void>;
  /** Stops the daemon if nobody else needs it. `epoch` is our own stream's, if it still is open. */
  leave(epoch: string | undefined): Promise<void>;
}

/** A client that stops the daemon has the lock exclusively; the daemon drains before it ends. */
const joinMsMax = 60_000;
const stopMsMax = 30_000;
/** Each of them may be killed in the middle of its stop. */
const stopAttemptsMax = 4;
const lastAttemptsMax = 4;
const closingMsMax = 1000;
const backoff = { firstMs: 5, maxMs: 100 };

/** Joins the daemon of these places; there is one when this returns. */
export async function joinDaemon(
  context: CliContext,
  places: Places,
  signal: AbortSignal,
): Promise<Membership> {
  const daemon = controlClient(places.controlSocket);
  if (places.mode === "host") return hostMembership(places, daemon);
  makeStateDirectory(places);
  const lockFile = join(places.stateDirectory, "clients.lock");
  const lock = await takeTurn(lockFile, { kind: "shared", waitMsMax: joinMsMax, signal });
  const membership = embeddedMembership(context, places, daemon, lock);
  try {
    await membership.ensure(signal);
    return membership;
  } catch (error) {
    await membership.leave(undefined).catch(() => undefined);
    throw error;
  }
}

function hostMembership(places: Places, daemon: ControlClient): Membership {
  return {
    places,
    daemon,
    ensure: async (signal) => {
      await waitUntil(() => hasDaemon(places), { backoff, signal });
    },
    leave: async () => undefined,
  };
}

function embeddedMembership(
  context: CliContext,
  places: Places,
  daemon: ControlClient,
  lock: Lock,
): Membership {
  const ensure = (signal: AbortSignal): Promise<void> => ensureDaemon(context, places, signal);
  return {
    places,
    daemon,
    ensure,
    leave: async (epoch) => {
      using _lock = lock;
      if (!(await isLast(lock))) return;
      for (let attempt = 0; attempt < stopAttemptsMax; attempt += 1) {
        if (!(await hasDaemon(places))) {
          // A killed daemon leaves its store behind: only an orderly stop takes that down.
          if ((await probeSocket(places.xenstoreSocket)) !== "answers") return;
          await ensure(AbortSignal.timeout(joinMsMax));
        }
        if ((await stopIfIdle(daemon, epoch)) === "needed") return;
        // The pid file goes last in an orderly stop. A store that still answers is not this daemon's.
        if (!existsSync(places.pidFile)) return;
      }
    },
  };
}

/** Tries more than once: the daemon itself takes the lock for a moment, to count its clients. */
async function isLast(lock: Lock): Promise<boolean> {
  for (let attempt = 1; !lock.tryExclusive(); attempt += 1) {
    if (attempt === lastAttemptsMax) return false;
    await pause(backoff.firstMs * attempt);
  }
  return true;
}

async function stopIfIdle(
  daemon: ControlClient,
  epoch: string | undefined,
): Promise<"needed" | "stopped"> {
  try {
    const status = await daemon.status();
    // It was started by hand, or has a log that `create` made.
    if (!status.transient) return "needed";
    if (await hasOtherStreams(daemon, epoch)) return "needed";
    const identity = identifyProcess(status.pid);
    await daemon.stop();
    const gone = (): boolean => identity === undefined || !isAlive(identity);
    if (await waitUntil(gone, { backoff, waitMsMax: stopMsMax })) return "stopped";
    throw new CliError("timeout", `xenlogd, pid ${status.pid}, did not stop within 30 s`);
  } catch (error) {
    if (error instanceof ControlError && error.code === "unreachable") return "stopped";
    throw error;
  }
}

/** Waits a moment for streams that are about to close: a refused request is one of them. */
async function hasOtherStreams(daemon: ControlClient, epoch: string | undefined): Promise<boolean> {
  let others: readonly StreamStatus[] = [];
  const areReady = async (): Promise<boolean> => {
    const streams = await daemon.streams({ all: false });
    others = streams.filter((one) => one.epoch !== epoch && one.state !== "closed");
    return others.every((one) => one.state === "ready");
  };
  await waitUntil(areReady, { backoff, waitMsMax: closingMsMax });
  return others.length > 0;
}
