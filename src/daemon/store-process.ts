// SPDX-License-Identifier: Apache-2.0
// The embedded xenstored as a process of its own: a killed daemon does not take it along, the next
// daemon joins it, and an orderly stop ends it if a daemon of this directory has started it.

import { closeSync, ftruncateSync } from "node:fs";
import { describeErrno, errnoNameOf } from "../kernel/index.ts";
import type { EmitEvent } from "../observe/index.ts";
import {
  findProcess,
  identifyProcess,
  isAlive,
  loadState,
  noticeDescriptor,
  openStateFile,
  type ProcessIdentity,
  type Program,
  parseIdentity,
  probeSocket,
  reasonOf,
  removeIfPossible,
  replaceFile,
  type StartOutcome,
  setAside,
  signalProcess,
  startAndAwaitNotice,
  waitUntil,
} from "../program/index.ts";
import { DaemonError } from "./errors/index.ts";

interface StorePlaces {
  readonly socketPath: string;
  readonly stateDirectory: string;
}

export interface StoreProcessOptions extends StorePlaces {
  readonly program: Program;
  readonly emit: EmitEvent;
}

/** A start that takes longer has failed: the store only reads a small file. */
const readyMsMax = 10_000;
const endMsMax = 3000;
const stopMsMax = 3000;
const pollBackoff = { firstMs: 10, maxMs: 10 };

/** Starts the store if no server answers on its socket. Throws DaemonError. */
export async function ensureStore(options: StoreProcessOptions): Promise<void> {
  if (await isAnswering(options)) return;
  let outcome = await start(options);
  if (outcome.kind === "failed" && outcome.notice.code === "STATE_UNREADABLE") {
    // Its requests are written again, or their streams go on without nodes; see emptied stores.
    const file = setAside(stateFile(options.stateDirectory), outcome.notice.message);
    options.emit({ kind: "StateSetAside", ...file });
    outcome = await start(options);
  }
  const reason = failureOf(outcome);
  if (reason !== undefined) throw cannotStart(reason);
  if (outcome.kind === "ready") options.emit({ kind: "StoreStarted", pid: outcome.child.pid ?? 0 });
}

/**
 * A daemon may have been killed after it started the store and before it recorded that: then the
 * process is found by its command line, recorded, and awaited while it starts.
 */
async function isAnswering(options: StoreProcessOptions): Promise<boolean> {
  const { socketPath, stateDirectory } = options;
  const answers = async (): Promise<boolean> => (await probeSocket(socketPath)) === "answers";
  const recorded = readIdentity(stateDirectory, options.emit);
  const isKnown = recorded !== undefined && isAlive(recorded);
  const store = isKnown ? recorded : findProcess(argumentsOf(options));
  if (store === undefined) return await answers();
  if (!isKnown) record(stateDirectory, store);
  await waitUntil(async () => !isAlive(store) || (await answers()), {
    backoff: pollBackoff,
    waitMsMax: readyMsMax,
  });
  return await answers();
}

async function start(options: StoreProcessOptions): Promise<StartOutcome> {
  try {
    return await startStore(options);
  } catch (error) {
    throw cannotStart(reasonOf(error), error);
  }
}

async function startStore(options: StoreProcessOptions): Promise<StartOutcome> {
  const { program, stateDirectory } = options;
  const errors = openOutput(`${stateDirectory}/xenstored.out`);
  try {
    return await startAndAwaitNotice(program, {
      args: argumentsOf(options),
      stderr: errors ?? "ignore",
      readyMsMax,
      endMsMax,
      // Before it is ready: the next daemon has to know which process to end.
      onStarted: (child) => {
        const identity = identifyProcess(child.pid ?? 0);
        if (identity !== undefined) record(stateDirectory, identity);
      },
    });
  } finally {
    if (errors !== undefined) closeSync(errors);
  }
}

/** The store is needed without its words, too. */
function openOutput(path: string): number | undefined {
  try {
    const fd = openStateFile(path, "existingOrNew");
    ftruncateSync(fd);
    return fd;
  } catch {
    return undefined;
  }
}

function argumentsOf({ socketPath, stateDirectory }: StorePlaces): readonly string[] {
  const state = stateFile(stateDirectory);
  return ["--socket", socketPath, "--state", state, "--notify-fd", `${noticeDescriptor}`];
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
export async function stopStore(places: StorePlaces, emit: EmitEvent): Promise<void> {
  const { stateDirectory } = places;
  const recorded = readIdentity(stateDirectory, emit);
  const isKnown = recorded !== undefined && isAlive(recorded);
  const identity = isKnown ? recorded : findProcess(argumentsOf(places));
  removeIfPossible(identityFile(stateDirectory));
  if (identity === undefined) return;
  const ended = await waitUntil(() => !signalProcess(identity, "SIGTERM"), {
    backoff: pollBackoff,
    waitMsMax: stopMsMax,
  });
  if (!ended) {
    await waitUntil(() => !signalProcess(identity, "SIGKILL"), { backoff: pollBackoff });
  }
}

/** Without room for it the process is found by its command line. */
function record(stateDirectory: string, identity: ProcessIdentity): void {
  try {
    replaceFile(identityFile(stateDirectory), JSON.stringify(identity));
  } catch (error) {
    if (errnoNameOf(error) === undefined) throw error;
  }
}

function identityFile(stateDirectory: string): string {
  return `${stateDirectory}/xenstored.process`;
}

/** What the store keeps across a restart. */
function stateFile(stateDirectory: string): string {
  return `${stateDirectory}/xenstore.state`;
}

function readIdentity(stateDirectory: string, emit: EmitEvent): ProcessIdentity | undefined {
  const parse = (text: string): ProcessIdentity => {
    const identity = parseIdentity(JSON.parse(text));
    if (identity === undefined) throw new Error("it does not identify a process");
    return identity;
  };
  return loadState(identityFile(stateDirectory), parse, (file) =>
    emit({ kind: "StateSetAside", ...file }),
  );
}
