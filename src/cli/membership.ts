// SPDX-License-Identifier: Apache-2.0
// Being one of those for whom an embedded daemon runs. The first starts it, the last stops it; in
// between each of them brings it back when it dies. On a host the daemon is the service manager's.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  type ControlClient,
  ControlError,
  controlClient,
  type StreamStatus,
} from "../control/index.ts";
import type { Places } from "../places/index.ts";
import { identifyProcess, isAlive } from "../program/index.ts";
import type { CliContext } from "./context.ts";
import { ensureDaemon, makeStateDirectory } from "./daemon-process.ts";
import { CliError } from "./errors.ts";
import { type Lock, takeLock } from "./lock.ts";
import { hasDaemon, socketAnswers } from "./mode.ts";

export interface Membership {
  readonly places: Places;
  readonly daemon: ControlClient;
  /** Returns when a daemon answers, having started one if need be. */
  ensure(signal: AbortSignal): Promise<void>;
  /** Stops the daemon if nobody else needs it. `epoch` is our own stream's, if it still is open. */
  leave(epoch: string | undefined): Promise<void>;
}

/** A daemon that is being stopped has the lock for itself; it drains before it goes. */
const joinMsMax = 60_000;
const stopMsMax = 30_000;
/** Each of them may be killed in the middle of its stop. */
const stopAttemptsMax = 4;
const lastAttemptsMax = 4;
const closingMsMax = 1000;
const pollMsMin = 5;
const pollMsMax = 100;

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
  const lock = await takeLock(lockFile, { kind: "shared", waitMsMax: joinMsMax, signal });
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
      await waitFor(() => hasDaemon(places), Number.POSITIVE_INFINITY, signal);
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
          // One that was killed has left its store behind: only an orderly stop takes it down.
          if (!(await socketAnswers(places.xenstoreSocket))) return;
          await ensure(AbortSignal.timeout(joinMsMax));
        }
        if ((await stopIfIdle(daemon, epoch)) === "needed") return;
        // The pid file goes last in an orderly stop. A store that still answers is somebody else's.
        if (!existsSync(places.pidFile)) return;
      }
    },
  };
}

/** Asked more than once: the daemon itself takes the lock for a moment, to see who is there. */
async function isLast(lock: Lock): Promise<boolean> {
  for (let attempt = 1; !lock.tryExclusive(); attempt += 1) {
    if (attempt === lastAttemptsMax) return false;
    await delay(pollMsMin * attempt);
  }
  return true;
}

async function stopIfIdle(
  daemon: ControlClient,
  epoch: string | undefined,
): Promise<"needed" | "stopped"> {
  try {
    const status = await daemon.status();
    // Somebody started it by hand, or made a log with `create`.
    if (!status.transient) return "needed";
    if (await hasOtherStreams(daemon, epoch)) return "needed";
    const identity = identifyProcess(status.pid);
    await daemon.stop();
    const gone = async (): Promise<boolean> => identity === undefined || !isAlive(identity);
    if (await waitFor(gone, stopMsMax)) return "stopped";
    throw new CliError("timeout", `xenlogd, pid ${status.pid}, did not stop within 30 s`);
  } catch (error) {
    if (error instanceof ControlError && error.code === "unreachable") return "stopped";
    throw error;
  }
}

/** Streams on their way out get a moment for it: a refused request is one of them. */
async function hasOtherStreams(daemon: ControlClient, epoch: string | undefined): Promise<boolean> {
  let others: readonly StreamStatus[] = [];
  const settled = async (): Promise<boolean> => {
    const streams = await daemon.streams({ all: false });
    others = streams.filter((one) => one.epoch !== epoch && one.state !== "closed");
    return others.every((one) => one.state === "ready");
  };
  await waitFor(settled, closingMsMax);
  return others.length > 0;
}

/** Asks with growing pauses until the answer is true; false when the time is up. */
async function waitFor(
  condition: () => Promise<boolean>,
  waitMsMax: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const deadline = performance.now() + waitMsMax;
  for (let pollMs = pollMsMin; !(await condition()); pollMs = Math.min(pollMs * 2, pollMsMax)) {
    if (performance.now() > deadline) return false;
    await delay(pollMs, undefined, signal === undefined ? {} : { signal });
  }
  return true;
}
