// SPDX-License-Identifier: Apache-2.0
// The embedded xenstored as a process of its own: a killed daemon does not take it along, the next
// daemon joins it, and an orderly stop ends it if a daemon of this directory has started it.

import { closeSync, constants, readFileSync, rmSync } from "node:fs";
import { describeErrno, errnoNameOf, openPath } from "../kernel/index.ts";
import type { EmitEvent } from "../observe/index.ts";
import {
  identifyProcess,
  noticeDescriptor,
  type ProcessIdentity,
  type Program,
  parseIdentity,
  probeSocket,
  reasonOf,
  replaceFile,
  type StartOutcome,
  signalProcess,
  startAndAwaitNotice,
  waitUntil,
} from "../program/index.ts";
import { DaemonError } from "./errors/index.ts";

export interface StoreProcessOptions {
  readonly socketPath: string;
  readonly stateDirectory: string;
  readonly program: Program;
  readonly emit: EmitEvent;
}

/** A start that takes longer has failed: the store only reads a small file. */
const readyMsMax = 10_000;
const endMsMax = 3000;
const stopMsMax = 3000;
const stopBackoff = { firstMs: 10, maxMs: 10 };

/** Starts the store if no server answers on its socket. Throws DaemonError. */
export async function ensureStore(options: StoreProcessOptions): Promise<void> {
  if ((await probeSocket(options.socketPath)) === "answers") return;
  let outcome: StartOutcome;
  try {
    outcome = await start(options);
  } catch (error) {
    throw cannotStart(reasonOf(error), error);
  }
  const reason = failureOf(outcome);
  if (reason !== undefined) throw cannotStart(reason);
  if (outcome.kind === "ready") options.emit({ kind: "StoreStarted", pid: outcome.child.pid ?? 0 });
}

function start({ program, socketPath, stateDirectory }: StoreProcessOptions) {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
  const errors = openPath(`${stateDirectory}/xenstored.out`, flags, 0o600);
  const args = ["--socket", socketPath, "--state", `${stateDirectory}/xenstore.state`];
  try {
    return startAndAwaitNotice(program, {
      args: [...args, "--notify-fd", `${noticeDescriptor}`],
      stderr: errors,
      readyMsMax,
      endMsMax,
      // Before it is ready: the next daemon has to know which process to end.
      onStarted: (child) => {
        const identity = identifyProcess(child.pid ?? 0);
        if (identity === undefined) throw new Error("it ended at once");
        replaceFile(identityFile(stateDirectory), JSON.stringify(identity));
      },
    });
  } finally {
    closeSync(errors);
  }
}

function failureOf(outcome: StartOutcome): string | undefined {
  switch (outcome.kind) {
    case "ready":
      return undefined;
    case "failed":
      return outcome.notice.message;
    case "ended":
      return "it ended before it was ready";
    case "late":
      return "it is not ready yet";
    case "notStarted":
      return describeErrno(errnoNameOf(outcome.error) ?? "EIO");
  }
}

function cannotStart(reason: string, cause?: unknown): DaemonError {
  return new DaemonError("store", `the embedded xenstored cannot start: ${reason}`, cause);
}

/** Ends the store if a daemon of this directory has started it. */
export async function stopStore(stateDirectory: string): Promise<void> {
  const identity = readIdentity(stateDirectory);
  if (identity === undefined) return;
  const ended = await waitUntil(() => !signalProcess(identity, "SIGTERM"), {
    backoff: stopBackoff,
    waitMsMax: stopMsMax,
  });
  if (!ended) {
    await waitUntil(() => !signalProcess(identity, "SIGKILL"), { backoff: stopBackoff });
  }
  rmSync(identityFile(stateDirectory), { force: true });
}

function identityFile(stateDirectory: string): string {
  return `${stateDirectory}/xenstored.process`;
}

function readIdentity(stateDirectory: string): ProcessIdentity | undefined {
  try {
    return parseIdentity(JSON.parse(readFileSync(identityFile(stateDirectory), "utf8")));
  } catch {
    return undefined;
  }
}
