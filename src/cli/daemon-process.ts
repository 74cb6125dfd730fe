// SPDX-License-Identifier: Apache-2.0
// Starts an embedded daemon that outlives us, one at a time a directory, and waits until it is ready.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { describeErrno, errnoNameOf } from "../kernel/index.ts";
import type { Places } from "../places/index.ts";
import { readNotice } from "../program/index.ts";
import type { CliContext } from "./context.ts";
import { CliError, DaemonKilledError, DaemonStartError } from "./errors.ts";
import { exitCode } from "./exit-codes.ts";
import type { Invocation } from "./globals.ts";
import { takeLock } from "./lock.ts";
import { hasDaemon } from "./mode.ts";

/** Longer than a daemon takes that finds much to recover. */
const readyMsMax = 60_000;
/** What daemons print there is for people after a crash; older words go. */
const outputBytesMax = 256 * 1024;
/** How long one that is on its way down, or that others start, may keep the directory; and how long
 * ours may be killed again and again. */
const occupiedMsMax = 15_000;
const retryMs = 50;
/** From the end of what it says to its own. */
const endMsMax = 5000;

/** What a daemon that we start is to see: it has another working directory. */
export function contextOfDaemon({ context, globals }: Invocation): CliContext {
  const { XENLOGD_CONFIG: variable = "" } = context.environment;
  const file =
    globals.configurationFile ??
    (variable === "" ? undefined : resolve(context.directory, variable));
  if (file === undefined) return context;
  return { ...context, environment: { ...context.environment, XENLOGD_CONFIG: file } };
}

/** Returns when a daemon answers in this directory; throws DaemonStartError with its sentence. */
export async function ensureDaemon(
  context: CliContext,
  places: Places,
  signal: AbortSignal,
): Promise<void> {
  if (await hasDaemon(places)) return;
  const lockFile = join(places.stateDirectory, "start.lock");
  const waitMsMax = readyMsMax + occupiedMsMax;
  using _lock = await takeLock(lockFile, { kind: "exclusive", waitMsMax, signal });
  const deadline = performance.now() + occupiedMsMax;
  while (!(await hasDaemon(places))) {
    try {
      await startDaemon(context, places);
      return signal.throwIfAborted();
    } catch (error) {
      if (!isPassing(error) || performance.now() > deadline) throw error;
      await delay(retryMs, undefined, { signal });
    }
  }
}

/** Somebody has the instance lock who does not answer yet, or not any more; or ours was killed. */
function isPassing(error: unknown): boolean {
  if (error instanceof DaemonStartError) return error.exitCode === exitCode.alreadyRunning;
  return error instanceof DaemonKilledError;
}

/** Makes D/state, and D before it; throws CliError with a sentence. */
export function makeStateDirectory(places: Places): void {
  try {
    mkdirSync(places.stateDirectory, { recursive: true, mode: 0o700 });
  } catch (error) {
    const reason = describeErrno(errnoNameOf(error) ?? "EIO");
    throw new CliError("failed", `cannot make ${places.stateDirectory}: ${reason}`, error);
  }
}

/** Cannot be aborted: a daemon that is not ready yet cannot be stopped in order either. */
async function startDaemon(context: CliContext, places: Places): Promise<void> {
  const child = spawnDaemon(context, places);
  const notices = child.stdio[3] as Readable;
  const waiting = new AbortController();
  try {
    const notice = await Promise.race([
      readNotice(notices),
      failedSpawn(child),
      tooLate(waiting.signal),
    ]);
    if (notice?.kind === "ready") return;
    await ended(child);
    if (notice === undefined) throw silentEnd(child, places);
    throw new DaemonStartError(notice.code, notice.message, notice.exitCode);
  } catch (error) {
    if (error instanceof CliError && error.code === "timeout") child.kill("SIGTERM");
    throw error;
  } finally {
    waiting.abort();
    notices.destroy();
    child.unref();
  }
}

function spawnDaemon(context: CliContext, places: Places): ChildProcess {
  const directory = places.directory ?? "/";
  const [program, ...first] = context.xenlogd;
  const args = [...first, "--embedded", "--dir", directory, "--transient", "--notify-fd", "3"];
  const output = openOutput(outputFile(places));
  try {
    return spawn(program, args, {
      cwd: directory,
      env: context.environment,
      // A session of its own: no terminal's signals reach it.
      detached: true,
      stdio: ["ignore", output, output, "pipe"],
    });
  } finally {
    closeSync(output);
  }
}

function outputFile(places: Places): string {
  return join(places.stateDirectory, "xenlogd.out");
}

function openOutput(path: string): number {
  const descriptor = openSync(path, "a", 0o600);
  if (fstatSync(descriptor).size > outputBytesMax) ftruncateSync(descriptor);
  return descriptor;
}

/** It says why before it goes, and has to be gone before we do. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await once(child, "exit", { signal: AbortSignal.timeout(endMsMax) }).catch(() => undefined);
}

/** What a daemon died of that has said nothing. */
function silentEnd(child: ChildProcess, places: Places): Error {
  const { signalCode } = child;
  if (signalCode !== null) return new DaemonKilledError(`xenlogd was killed by ${signalCode}`);
  const output = outputFile(places);
  return new CliError("failed", `xenlogd ended before it was ready: see ${output}`);
}

function failedSpawn(child: ChildProcess): Promise<never> {
  return new Promise((_, reject) => {
    child.once("error", (error) => {
      const reason = describeErrno(errnoNameOf(error) ?? "EIO");
      reject(new CliError("failed", `cannot start xenlogd: ${reason}`, error));
    });
  });
}

async function tooLate(signal: AbortSignal): Promise<never> {
  await delay(readyMsMax, undefined, { signal });
  throw new CliError("timeout", `xenlogd was not ready within ${readyMsMax / 1000} s`);
}
