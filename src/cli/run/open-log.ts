// SPDX-License-Identifier: Apache-2.0
// The log of a `run`: its domain, its request, its epoch. Two runs never share one.

import { join } from "node:path";
import { hostName, type LogOwner, listLogfilesOf } from "../../contract/index.ts";
import type { ControlClient, StreamStatus } from "../../control/index.ts";
import { retry } from "../../program/index.ts";
import { createLogfile, type LogfileHandle } from "../../toolstack/index.ts";
import type { XenstoreClient } from "../../xenstore/index.ts";
import { type Membership, takeTurn } from "../embedded/index.ts";
import { CliError } from "../invocation/index.ts";
import {
  addressOf,
  fileOf,
  findOwner,
  introduceAs,
  type LogChoice,
  nameOf,
  type Owner,
  releaseIfIntroduced,
} from "../logs/index.ts";

export interface OpenLog {
  readonly owner: Owner;
  /** `demo/console`. */
  readonly title: string;
  readonly handle: LogfileHandle;
  readonly epoch: string;
  /** Its state now, `undefined` if the daemon has forgotten it. */
  readStatus(daemon: ControlClient): Promise<StreamStatus | undefined>;
}

export interface OpenLogOptions {
  readonly membership: Membership;
  readonly xenstore: XenstoreClient;
  readonly choice: LogChoice;
  /** COMMAND as it was written: where the domain's name comes from if there is no other. */
  readonly argv0: string;
  readonly signal: AbortSignal;
}

/** As long as another run may wait for the daemon's answer. */
const createMsMax = 60_000;
/** For the daemon's answer; it may be killed and started again meanwhile. */
const answerMsMax = 20_000;
const backoff = { firstMs: 50, maxMs: 50 };

/** Throws, and leaves nothing behind then. */
export async function openLog(options: OpenLogOptions): Promise<OpenLog> {
  const { membership, signal } = options;
  if (membership.places.mode === "host") return openLocked(options);
  // One at a time: between the look at the domains and the daemon's answer another `run` might choose
  // the same name.
  const lockFile = join(membership.places.stateDirectory, "create.lock");
  using _lock = await takeTurn(lockFile, { kind: "exclusive", waitMsMax: createMsMax, signal });
  return await openLocked(options);
}

async function openLocked(options: OpenLogOptions): Promise<OpenLog> {
  const { membership, xenstore, choice } = options;
  const owner = await chooseOwner(options);
  try {
    if (owner.kind === "host" || !owner.introduced) await refuseSecond(options, owner);
    const handle = await createLogfile({
      xenstore,
      ...addressOf(owner),
      fifoDirectory: membership.places.fifoDirectory,
      log: choice.log,
      file: fileOf(choice, membership.places, nameOf(owner)),
      limitBytes: choice.limitBytes,
      copies: choice.copies,
      overflow: choice.overflow,
      timeoutMs: answerMsMax,
      signal: options.signal,
    });
    return await describe(options, owner, handle);
  } catch (error) {
    await releaseIfIntroduced(xenstore, owner);
    throw error;
  }
}

function chooseOwner({ membership, xenstore, choice, argv0 }: OpenLogOptions): Promise<Owner> {
  if (choice.owner.kind !== "unsaid") return findOwner(xenstore, membership.places, choice.owner);
  if (membership.places.mode === "embedded") return introduceAs(xenstore, legalName(argv0));
  const message = "on a Xen host run needs one of --name, --domid and --global";
  return Promise.reject(new CliError("usage", message));
}

/** Four bytes each at most, and a number behind them: they fit a name. */
const nameCharactersMax = 28;

/** COMMAND's last component as a domain's name: what a name must not have is left out. */
export function legalName(argv0: string): string {
  const base = argv0.slice(argv0.lastIndexOf("/") + 1);
  const characters = [...base.replace(/[\p{C}\p{Z}]/gu, "").replace(/^\.+/, "")];
  const name = characters.slice(0, nameCharactersMax).join("");
  if (name === "") return "command";
  return name === hostName || /^[0-9]+$/.test(name) ? `run-${name}` : name;
}

async function refuseSecond(options: OpenLogOptions, owner: Owner): Promise<void> {
  const { choice, membership } = options;
  const domid = owner.kind === "host" ? null : owner.domid;
  const streams = await askPatiently(options.signal, () =>
    membership.daemon.streams({ all: false }),
  );
  const taken = streams.some(
    (one) =>
      one.domid === domid &&
      one.log === choice.log &&
      (one.state === "ready" || one.state === "pending"),
  );
  if (!taken) return;
  const title = `${nameOf(owner) ?? hostName}/${choice.log}`;
  throw new CliError("refused", `${title} is being logged already: choose another --log or --name`);
}

async function describe(
  { choice, membership, signal }: OpenLogOptions,
  owner: Owner,
  handle: LogfileHandle,
): Promise<OpenLog> {
  const find = async (daemon: ControlClient): Promise<StreamStatus | undefined> =>
    (await daemon.streams({ all: true })).find((stream) => stream.pipe === handle.pipe);
  try {
    const status = await askPatiently(signal, () => find(membership.daemon));
    if (status === undefined) {
      throw new CliError(
        "failed",
        `xenlogd does not know ${handle.pipe}, which it has just opened`,
      );
    }
    const title = `${nameOf(owner) ?? hostName}/${choice.log}`;
    return { owner, title, handle, epoch: status.epoch, readStatus: find };
  } catch (error) {
    await handle.close().catch(() => undefined);
    throw error;
  }
}

/** The daemon may have been killed a moment ago; the watch starts the next one. */
function askPatiently<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  return retry(ask, { backoff, waitMsMax: answerMsMax, signal });
}

/** Releases the domain that was introduced, unless it has another log meanwhile. */
export async function releaseOwner(xenstore: XenstoreClient, owner: Owner): Promise<void> {
  if (owner.kind === "host" || !owner.introduced) return;
  const asLogOwner: LogOwner = { kind: "domain", domid: owner.domid };
  const others = await listLogfilesOf(xenstore, asLogOwner).catch(() => []);
  if (others.length === 0) await releaseIfIntroduced(xenstore, owner);
}
