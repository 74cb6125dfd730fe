// SPDX-License-Identifier: Apache-2.0
// Starts an embedded daemon that outlives us, one at a time in a directory, and waits until it is
// ready.

import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync } from "node:fs";
import { join, resolve } from "node:path";
import { describeErrno, errnoNameOf } from "../../kernel/index.ts";
import type { Places } from "../../places/index.ts";
import {
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
import { takeTurn } from "./lock.ts";

/** Longer than a daemon takes that finds much to recover. */
const readyMsMax = 60_000;
/** What daemons print there is for people after a crash; a larger file is emptied. */
const outputBytesMax = 256 * 1024;
/**
 * How long a daemon that stops, or that another process starts, may keep the directory; and how long
 * ours may be killed again and again.
 */
const occupiedMsMax = 15_000;
const backoff = { firstMs: 50, maxMs: 50 };
/** From a daemon's notice of a failure to its end. */
const endMsMax = 5000;

/** What a daemon that we start gets as its environment: it has another working directory. */
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
  using _lock = await takeTurn(lockFile, { kind: "exclusive", waitMsMax, signal });
  const start = async (): Promise<void> => {
    if (!(await hasDaemon(places))) await startDaemon(context, places);
  };
  await retry(start, { backoff, waitMsMax: occupiedMsMax, signal, isPassing });
  signal.throwIfAborted();
}

/** Another daemon has the instance lock and does not answer, not yet or no more; or ours was killed. */
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
  const directory = places.directory ?? "/";
  const [command, ...args] = context.xenlogd;
  const output = openOutput(outputFile(places));
  let outcome: StartOutcome;
  try {
    outcome = await startAndAwaitNotice(
      { command, args },
      {
        args: [
          "--embedded",
          "--dir",
          directory,
          "--transient",
          "--notify-fd",
          `${noticeDescriptor}`,
        ],
        environment: context.environment,
        directory,
        stdout: output,
        stderr: output,
        readyMsMax,
        endMsMax,
      },
    );
  } finally {
    closeSync(output);
  }
  const failure = failureOf(outcome, places);
  if (failure !== undefined) throw failure;
}

/** Why there is no daemon; `undefined` if there is one. */
function failureOf(outcome: StartOutcome, places: Places): Error | undefined {
  switch (outcome.kind) {
    case "ready":
      return undefined;
    case "failed": {
      const { code, message, exitCode: status } = outcome.notice;
      return new DaemonStartError(code, message, status);
    }
    case "ended": {
      const { signal } = outcome;
      if (signal !== null) return new DaemonKilledError(`xenlogd was killed by ${signal}`);
      const message = `xenlogd ended before it was ready: see ${outputFile(places)}`;
      return new CliError("failed", message);
    }
    case "late":
      outcome.child.kill("SIGTERM");
      return new CliError("timeout", `xenlogd was not ready within ${readyMsMax / 1000} s`);
    case "notStarted": {
      const reason = describeErrno(errnoNameOf(outcome.error) ?? "EIO");
      return new CliError("failed", `cannot start xenlogd: ${reason}`, outcome.error);
    }
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
