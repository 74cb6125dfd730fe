// SPDX-License-Identifier: Apache-2.0
// Membership of a `run` in the group that shares an embedded daemon. The first member starts it, the
// last stops it; in between each member starts it again when it dies. On a host the service manager
// does that.

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
  type Backoff,
  identifyProcess,
  isAlive,
  type Lock,
  probeSocket,
  waitUntil,
} from "../../program/index.ts";
import { type CliContext, CliError } from "../invocation/index.ts";
import { type DaemonAt, hasDaemon } from "../target/index.ts";
import { takeLockFor } from "./directory-lock.ts";
import { ensureDaemon, makeStateDirectory } from "./start.ts";

export interface Membership extends DaemonAt {
  /** Returns when a daemon answers; starts one if necessary. */
  ensure(signal: AbortSignal): Promise<void>;
  /**
   * Stops the daemon if no other member and no stream needs it. A process that COMMAND has left
   * running, the writer of the stream `leftOpen`, needs it: the daemon ends by itself after that one.
   */
  leave(leftOpen: string | undefined): Promise<void>;
}

/** A member that stops the daemon holds the lock exclusively until the daemon has drained. */
const joinMsMax = 60_000;
const stopMsMax = 30_000;
/** A daemon may be killed in the middle of its stop. */
const stopAttemptsMax = 4;
/** The daemon itself takes the lock for a moment, to see whether there are members. */
const lastMsMax = 30;
const lastBackoff: Backoff = { firstMs: 5, maxMs: 10 };
const closingMsMax = 1000;
const backoff: Backoff = { firstMs: 5, maxMs: 100 };

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
  const lock = await takeLockFor(joinMsMax, lockFile, "shared", signal);
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
    leave: async (leftOpen) => {
      using _lock = lock;
      if (!(await isLast(lock))) return;
      using _file = { [Symbol.dispose]: () => lock.removeFile() };
      for (let attempt = 0; attempt < stopAttemptsMax; attempt += 1) {
        if (!(await hasDaemon(places))) {
          // A killed daemon leaves its store running: only the orderly stop of a daemon ends it.
          if ((await probeSocket(places.xenstoreSocket)) !== "answers") return;
          await ensure(AbortSignal.timeout(joinMsMax));
        }
        if ((await stopIfIdle(daemon, leftOpen)) === "needed") return;
        // An orderly stop removes the pid file last. A store that still answers is not the daemon's.
        if (!existsSync(places.pidFile)) return;
      }
    },
  };
}

function isLast(lock: Lock): Promise<boolean> {
  return waitUntil(() => lock.tryExclusive(), { backoff: lastBackoff, waitMsMax: lastMsMax });
}

async function stopIfIdle(
  daemon: ControlClient,
  leftOpen: string | undefined,
): Promise<"needed" | "stopped"> {
  try {
    const status = await daemon.status();
    // A daemon that was not started by `run` is not ours to stop.
    if (!status.transient) return "needed";
    if (await hasStreams(daemon, leftOpen)) return "needed";
    const identity = identifyProcess(status.pid);
    await daemon.stop();
    const isGone = (): boolean => identity === undefined || !isAlive(identity);
    if (await waitUntil(isGone, { backoff, waitMsMax: stopMsMax })) return "stopped";
    throw new CliError("timeout", `xenlogd, pid ${status.pid}, did not stop within 30 s`);
  } catch (error) {
    if (error instanceof ControlError && error.code === "unreachable") return "stopped";
    throw error;
  }
}

/**
 * Such as a log that was made with `create`. Waits a moment for those that are being closed, of which
 * a failed request is one, but not for the one that is known to stay open.
 */
async function hasStreams(daemon: ControlClient, leftOpen: string | undefined): Promise<boolean> {
  let open: readonly StreamStatus[] = [];
  const isSettled = async (): Promise<boolean> => {
    const streams = await daemon.streams({ all: false });
    open = streams.filter((one) => one.state !== "closed");
    return open.some((one) => one.state === "ready" || one.epoch === leftOpen) || open.length === 0;
  };
  await waitUntil(isSettled, { backoff, waitMsMax: closingMsMax });
  return open.length > 0;
}
