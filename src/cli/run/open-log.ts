// SPDX-License-Identifier: Apache-2.0
// Opens the log of a `run`: its domain, its request, its epoch. Two runs never share one.

import { join } from "node:path";
import { type LogOwner, listLogfilesOf } from "../../contract/index.ts";
import type { ControlClient, StreamStatus } from "../../control/index.ts";
import { type Backoff, retry } from "../../program/index.ts";
import { createLogfile, type LogfileHandle } from "../../toolstack/index.ts";
import type { XenstoreClient } from "../../xenstore/index.ts";
import { whileLocked } from "../embedded/index.ts";
import { CliError } from "../invocation/index.ts";
import {
  findOwner,
  introduceAs,
  type LogChoice,
  logRequest,
  type Owner,
  releaseIfIntroduced,
  titleOfOwner,
} from "../logs/index.ts";
import type { DaemonAt } from "../target/index.ts";
import { legalName } from "./domain-name.ts";

export interface OpenLog {
  readonly owner: Owner;
  readonly name: string;
  /** `demo/console`. */
  readonly title: string;
  readonly handle: LogfileHandle;
  readonly epoch: string;
  /** Its status now, `undefined` if the daemon no longer lists it. */
  readStatus(daemon: ControlClient): Promise<StreamStatus | undefined>;
}

export interface OpenLogOptions {
  readonly target: DaemonAt;
  readonly xenstore: XenstoreClient;
  readonly choice: LogChoice;
  /** COMMAND as written on the command line: the domain's name if no option names one. */
  readonly argv0: string;
  readonly signal: AbortSignal;
}

/** Another run holds the lock while it waits for the daemon's answer. */
const createMsMax = 60_000;
/** How long the daemon's answer is awaited; it may be killed and started again meanwhile. */
const answerMsMax = 20_000;
const answerBackoff: Backoff = { firstMs: 50, maxMs: 50 };

/** If it throws, it has removed all that it made. */
export async function openLog(options: OpenLogOptions): Promise<OpenLog> {
  const { target, signal } = options;
  if (target.places.mode === "host") return openLocked(options);
  // No other run may look for an open log between our look and the daemon's answer.
  const lockFile = join(target.places.stateDirectory, "create.lock");
  return await whileLocked(createMsMax, lockFile, signal, () => openLocked(options));
}

async function openLocked(options: OpenLogOptions): Promise<OpenLog> {
  const { target, xenstore, choice } = options;
  const owner = await chooseOwner(options);
  try {
    if (owner.kind === "host" || !owner.introduced) await refuseSecond(options, owner);
    const request = logRequest(xenstore, target.places, choice, owner);
    const waiting = { timeoutMs: answerMsMax, signal: options.signal };
    const handle = await createLogfile({ ...request, ...waiting });
    return await describe(options, owner, handle);
  } catch (error) {
    await releaseIfIntroduced(xenstore, owner);
    throw error;
  }
}

function chooseOwner({ target, xenstore, choice, argv0 }: OpenLogOptions): Promise<Owner> {
  if (choice.owner.kind !== "none") return findOwner(xenstore, target.places, choice.owner);
  if (target.places.mode === "embedded") return introduceAs(xenstore, legalName(argv0));
  const message = "on a Xen host run needs one of --name, --domid and --global";
  return Promise.reject(new CliError("usage", message));
}

async function refuseSecond(options: OpenLogOptions, owner: Owner): Promise<void> {
  const { choice, target } = options;
  const domid = owner.kind === "host" ? null : owner.domid;
  const streams = await patiently(options.signal, () => target.daemon.streams({ all: false }));
  const taken = streams.some(
    (one) =>
      one.domid === domid &&
      one.log === choice.log &&
      (one.state === "ready" || one.state === "pending"),
  );
  if (!taken) return;
  const title = titleOfOwner(owner, choice.log);
  throw new CliError("refused", `${title} is being logged already: choose another --log or --name`);
}

async function describe(
  { choice, target, signal }: OpenLogOptions,
  owner: Owner,
  handle: LogfileHandle,
): Promise<OpenLog> {
  const find = async (daemon: ControlClient): Promise<StreamStatus | undefined> =>
    (await daemon.streams({ all: true })).find((stream) => stream.pipe === handle.pipe);
  try {
    const status = await patiently(signal, () => find(target.daemon));
    if (status === undefined) {
      throw new CliError(
        "failed",
        `xenlogd does not know ${handle.pipe}, which it has just opened`,
      );
    }
    const title = titleOfOwner(owner, choice.log);
    return { owner, name: choice.log, title, handle, epoch: status.epoch, readStatus: find };
  } catch (error) {
    await handle.close().catch(() => undefined);
    throw error;
  }
}

/** Asks again while the daemon is away: it may have been killed, and is being started again. */
function patiently<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  return retry(ask, { backoff: answerBackoff, waitMsMax: answerMsMax, signal });
}

/** Releases the domain if this run introduced it, unless it has another log by now. */
export async function releaseOwner(xenstore: XenstoreClient, owner: Owner): Promise<void> {
  if (owner.kind === "host" || !owner.introduced) return;
  const asLogOwner: LogOwner = { kind: "domain", domid: owner.domid };
  const others = await listLogfilesOf(xenstore, asLogOwner).catch(() => []);
  if (others.length === 0) await releaseIfIntroduced(xenstore, owner);
}
