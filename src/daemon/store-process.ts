// SPDX-License-Identifier: Apache-2.0
// The embedded xenstored: a process of its own that a killed daemon does not take along. The next
// daemon joins it; one that stops in order takes down what a daemon has started.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import * as v from "valibot";
import { openPath } from "../kernel/index.ts";
import type { EmitEvent } from "../observe/index.ts";
import {
  identifyProcess,
  type ProcessIdentity,
  type Program,
  readNotice,
  signalProcess,
} from "../program/index.ts";
import { DaemonError } from "./errors/index.ts";

export interface StoreProcessOptions {
  readonly socketPath: string;
  readonly stateDirectory: string;
  readonly program: Program;
  readonly emit: EmitEvent;
}

const identitySchema: v.GenericSchema<unknown, ProcessIdentity> = v.object({
  pid: v.number(),
  startTicks: v.string(),
  bootId: v.string(),
});

/** A start that takes longer has failed: the store has nothing to do but to read a small file. */
const startTimeoutMs = 10_000;
const stopTimeoutMs = 3000;

/** Starts the store if nobody answers on its socket. */
export async function ensureStore(options: StoreProcessOptions): Promise<void> {
  if (await answers(options.socketPath)) return;
  const { program, socketPath, stateDirectory } = options;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
  const errors = openPath(`${stateDirectory}/xenstored.out`, flags, 0o600);
  try {
    const child = spawn(
      program.command,
      [
        ...program.args,
        "--socket",
        socketPath,
        "--state",
        `${stateDirectory}/xenstore.state`,
        "--notify-fd",
        "3",
      ],
      { detached: true, cwd: "/", stdio: ["ignore", "ignore", errors, "pipe"] },
    );
    await once(child, "spawn");
    child.unref();
    const identity = identifyProcess(child.pid ?? 0);
    if (identity === undefined) throw new Error("it ended at once");
    // Before it is ready: a successor of ours has to know whose it is.
    writeFileSync(identityFile(stateDirectory), JSON.stringify(identity), { mode: 0o600 });
    await started(child.stdio[3] as Readable);
    options.emit({ kind: "StoreStarted", pid: identity.pid });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DaemonError("store", `the embedded xenstored cannot start: ${reason}`, error);
  } finally {
    closeSync(errors);
  }
}

/** Ends the store if a daemon of these places has started it. */
export async function stopStore(stateDirectory: string): Promise<void> {
  const identity = readIdentity(stateDirectory);
  if (identity === undefined) return;
  const deadlineMs = performance.now() + stopTimeoutMs;
  let signal: NodeJS.Signals = "SIGTERM";
  while (signalProcess(identity, signal)) {
    await delay(10);
    if (performance.now() > deadlineMs) signal = "SIGKILL";
  }
  rmSync(identityFile(stateDirectory), { force: true });
}

function identityFile(stateDirectory: string): string {
  return `${stateDirectory}/xenstored.process`;
}

function readIdentity(stateDirectory: string): ProcessIdentity | undefined {
  try {
    const text = readFileSync(identityFile(stateDirectory), "utf8");
    return v.parse(identitySchema, JSON.parse(text));
  } catch {
    return undefined;
  }
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path: socketPath });
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** Waits for the notice of a program of ours; throws why it did not come up. */
async function started(notices: Readable): Promise<void> {
  const late = setTimeout(() => notices.destroy(new Error("it is not ready yet")), startTimeoutMs);
  try {
    const notice = await readNotice(notices);
    if (notice === undefined) throw new Error("it ended before it was ready");
    if (notice.kind === "failed") throw new Error(notice.message);
  } finally {
    clearTimeout(late);
    notices.destroy();
  }
}
