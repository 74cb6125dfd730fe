// SPDX-License-Identifier: Apache-2.0
// Starts an embedded daemon that outlives this process, and waits until it is ready. A lock permits
// one start at a time in a directory.

import { closeSync, fstatSync, ftruncateSync, openSync } from "node:fs";
import { join, resolve } from "node:path";
import { describeErrno, errnoNameOf } from "../../kernel/index.ts";
import type { Places } from "../../places/index.ts";
import {
  type Backoff,
  makeDirectory,
  noticeDescriptor,
  retry,
  type StartOutcome,
  startAndAwaitNotice,
} from "../../program/index.ts";
import {
  type CliContext,
  CliError,
  DaemonKilledError,
  DaemonStartError,
  exitCode,
  type Invocation,
} from "../invocation/index.ts";
import { hasDaemon } from "../target/index.ts";
import { inDirectory, whileLocked } from "./directory-lock.ts";

/** Longer than the recovery of a daemon takes that finds many streams. */
const readyMsMax = 60_000;
/** The daemon prints there for people after a crash; older output is removed. */
const outputBytesMax = 256 * 1024;
/**
 * How long another daemon, which stops or starts, may hold the directory; and how long our own one
 * may be killed again and again.
 */
const occupiedMsMax = 15_000;
const occupiedBackoff: Backoff = { firstMs: 50, maxMs: 50 };
/** From the daemon's notice that it cannot run to its end. */
const endMsMax = 5000;

/** The context with XENLOGD_CONFIG absolute: the daemon has another working directory. */
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
  const start = async (): Promise<void> => {
    if (!(await hasDaemon(places))) await startDaemon(context, places);
  };
  const limits = { backoff: occupiedBackoff, waitMsMax: occupiedMsMax, signal };
  await whileLocked(readyMsMax + occupiedMsMax, lockFile, signal, async () => {
    await retry(start, { ...limits, isPassing });
    signal.throwIfAborted();
  });
}

/** Another daemon has the instance lock and does not answer yet, or no longer; or ours was killed. */
function isPassing(error: unknown): boolean {
  if (error instanceof DaemonStartError) return error.exitCode === exitCode.alreadyRunning;
  return error instanceof DaemonKilledError;
}

/** Makes D/state, and D before it; throws CliError with a sentence. */
export function makeStateDirectory(places: Places): void {
  inDirectory(`make ${places.stateDirectory}`, () => makeDirectory(places.stateDirectory, 0o700));
}

/** Cannot be aborted: a daemon that is not ready yet cannot be stopped in order either. */
async function startDaemon(context: CliContext, places: Places): Promise<void> {
  const directory = places.directory ?? "/";
  const outputFile = join(places.stateDirectory, "xenlogd.out");
  const where = ["--embedded", "--dir", directory, "--transient"];
  const output = openOutput(outputFile);
  try {
    const outcome = await startAndAwaitNotice(context.xenlogd, {
      args: [...where, "--notify-fd", String(noticeDescriptor)],
      environment: context.environment,
      directory,
      stdout: output,
      stderr: output,
      readyMsMax,
      endMsMax,
    });
    checkStarted(outcome, outputFile);
  } finally {
    closeSync(output);
  }
}

/** Throws the error that belongs to the outcome of a start. */
function checkStarted(outcome: StartOutcome, outputFile: string): void {
  switch (outcome.kind) {
    case "ready":
      return;
    case "failed": {
      const { code, message, exitCode: daemonExitCode } = outcome.notice;
      throw new DaemonStartError(code, message, daemonExitCode);
    }
    case "ended": {
      const { signal } = outcome;
      if (signal !== null) throw new DaemonKilledError(`xenlogd was killed by ${signal}`);
      throw new CliError("failed", `xenlogd ended before it was ready: see ${outputFile}`);
    }
    case "late":
      outcome.child.kill("SIGTERM");
      throw new CliError("timeout", `xenlogd was not ready within ${readyMsMax / 1000} s`);
    case "notStarted": {
      const reason = describeErrno(errnoNameOf(outcome.error) ?? "EIO");
      throw new CliError("failed", `cannot start xenlogd: ${reason}`, outcome.error);
    }
  }
}

function openOutput(path: string): number {
  const descriptor = inDirectory(`open ${path}`, () => openSync(path, "a", 0o600));
  if (fstatSync(descriptor).size > outputBytesMax) ftruncateSync(descriptor);
  return descriptor;
}
