// SPDX-License-Identifier: Apache-2.0
// Composes the main process: first the streams of the table and their pumps, then the control socket,
// then xenstore. The main process never opens a log or a stage; the pumps do.

import { type ControlServer, type ReloadOutcome, startControlServer } from "../control/index.ts";
import type { EmitEvent } from "../observe/index.ts";
import type { Places } from "../places/index.ts";
import { type Program, removeDirectories, removeIfPossible } from "../program/index.ts";
import { type ServiceManager, Vault } from "../vault/index.ts";
import { type ConfigurationFile, LiveConfiguration, rateFor } from "./configuration/index.ts";
import { controlSource } from "./control-source.ts";
import { makeDirectories } from "./directories.ts";
import { asStartError } from "./errors/index.ts";
import { type InstanceLock, takeInstanceLock } from "./instance-lock.ts";
import { Pumps } from "./pumps/index.ts";
import { reload } from "./reload.ts";
import { Refusals, XenstoreFollower } from "./requests/index.ts";
import { hasClients, type Lifetime, watchLifetime } from "./shared-daemon.ts";
import { removeNeedless, setAsideOthers } from "./state-files.ts";
import { ensureStore, stopStore } from "./store-process.ts";
import { Streams, StreamTable } from "./streams/index.ts";

export interface DaemonOptions {
  readonly places: Places;
  readonly version: string;
  /** `shared` is for a daemon that `run` started: it ends with the last of them. */
  readonly lifetime: Lifetime;
  readonly serviceManager: ServiceManager;
  readonly pumpProgram: Program;
  readonly storeProgram: Program;
  readonly emit: EmitEvent;
  /** Lines of its own log that could not be written. */
  readonly lostLines: () => number;
  /** Where its configuration is read from, now and at each reload. */
  readonly configurationFile: ConfigurationFile | undefined;
}

export interface Daemon {
  /** Resolves when the daemon should stop for a reason other than `stop`; rejects after a bug. */
  readonly ended: Promise<void>;
  /** Reads the configuration again, and lets the pumps look for files that were moved. */
  reload(): ReloadOutcome;
  /** Drains, closes, and takes down what the daemon has started. */
  stop(): Promise<void>;
}

/** A pump that is not ready by then waits for a predecessor: the others must not wait for it. */
const pumpPatienceMs = 5000;
const tracesMsMax = 1000;

/** Throws DaemonError or ConfigurationError, and leaves nothing behind then. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { places } = options;
  const configuration = new LiveConfiguration(options.configurationFile);
  const made = makeDirectories(places);
  let parts: Parts | undefined;
  try {
    parts = makeParts(options, configuration, takeInstanceLock(places.pidFile));
    await startParts(options, parts);
  } catch (error) {
    // Without the lock the places are another daemon's.
    if (parts !== undefined) await takeDown(options, parts);
    removeDirectories(made);
    throw asStartError(error, places);
  }
  const running = parts;
  const unwatch = watchLifetime(options.lifetime, places, running.streams, running.ending.end);
  return {
    ended: running.ending.ended,
    reload: () => reloadParts(options, running),
    stop: async () => {
      unwatch();
      options.serviceManager.stopping("writing what the pipes hold");
      await takeDown(options, running);
    },
  };
}

interface Parts {
  readonly configuration: LiveConfiguration;
  readonly lock: InstanceLock;
  readonly table: StreamTable;
  readonly streams: Streams;
  readonly refusals: Refusals;
  readonly pumps: Pumps;
  readonly vault: Vault;
  xenstore: XenstoreFollower | undefined;
  control: ControlServer | undefined;
  readonly ending: Ending;
}

/** The end of the daemon for a reason other than `stop`. */
interface Ending {
  readonly ended: Promise<void>;
  readonly end: () => void;
  readonly fail: (error: unknown) => void;
}

function makeEnding(): Ending {
  let end: () => void = () => {};
  let fail: (error: unknown) => void = () => {};
  const ended = new Promise<void>((resolve, reject) => {
    end = resolve;
    fail = reject;
  });
  // A failure during the start is handled when the start is over.
  ended.catch(() => {});
  return { ended, end, fail };
}

/** The parts that need no process and no connection. */
function makeParts(
  options: DaemonOptions,
  configuration: LiveConfiguration,
  lock: InstanceLock,
): Parts {
  const { places, pumpProgram, serviceManager, emit } = options;
  const table = new StreamTable(places.volatileDirectory);
  setAsideOthers(places, table, emit);
  const { positionsDirectory } = table;
  const vault = new Vault({ directory: places.volatileDirectory, serviceManager, emit });
  const pumps = new Pumps({
    places,
    positionsDirectory,
    vault,
    program: pumpProgram,
    policies: () => ({
      ...configuration.current,
      rate: rateFor(places.mode, configuration.current.rate),
    }),
    emit,
    onMessage: (message) => streams.receive(message),
    onStarted: (fileSystem) => streams.openAllIn(fileSystem),
    onFailed: (fileSystem, reason) => streams.refuseAll(fileSystem, reason),
  });
  const streams = new Streams({
    places,
    table,
    emit,
    vault,
    pumpFor: (fileSystem, directory) => pumps.of(fileSystem, directory),
    onRestored: (record) => parts.xenstore?.lookAt(record),
  });
  const parts: Parts = {
    configuration,
    lock,
    table,
    streams,
    refusals: new Refusals({
      runDirectory: places.runDirectory,
      volatileDirectory: places.volatileDirectory,
      emit,
      hasStream: (relativePipe) => streams.having("relativePipe", relativePipe).length > 0,
    }),
    pumps,
    vault,
    xenstore: undefined,
    control: undefined,
    ending: makeEnding(),
  };
  return parts;
}

async function startParts(options: DaemonOptions, parts: Parts): Promise<void> {
  const { places, emit } = options;
  const { streams, refusals } = parts;
  const ready = parts.pumps.startFirst();
  streams.restore();
  parts.vault.restored();
  const beforeConnect = (): Promise<void> => prepareStore(options);
  // Started here once: a store that cannot start fails the start of the daemon. Later it is retried.
  await both(atMost(pumpPatienceMs, ready), beforeConnect());
  parts.control = await startControl(options, parts);
  const onFailure = parts.ending.fail;
  parts.xenstore = new XenstoreFollower({
    places,
    streams,
    refusals,
    emit,
    beforeConnect,
    onFailure,
  });
  // A host's xenstored may start after the daemon, and may itself wait for it to read its log.
  if (places.mode === "embedded")
    await Promise.race([parts.xenstore.firstRead, parts.ending.ended]);
  const directory = places.directory ?? places.runDirectory;
  emit({ kind: "DaemonStarted", version: options.version, directory });
  options.serviceManager.ready(`logging below ${places.logDirectory}`);
}

/** Only an embedded daemon starts a store. */
async function prepareStore({ places, storeProgram, emit }: DaemonOptions): Promise<void> {
  if (places.mode === "host") return;
  await ensureStore({ ...storePlaces(places), program: storeProgram, emit });
}

function storePlaces({ xenstoreSocket, stateDirectory }: Places) {
  return { socketPath: xenstoreSocket, stateDirectory };
}

function startControl(options: DaemonOptions, parts: Parts): Promise<ControlServer> {
  const { places, version, lifetime } = options;
  const startedAt = new Date().toISOString();
  return startControlServer({
    socketPath: places.controlSocket,
    source: controlSource({
      streams: parts.streams,
      refusals: parts.refusals,
      stop: parts.ending.end,
      reload: () => reloadParts(options, parts),
      status: () => ({
        pid: process.pid,
        version,
        startedAt,
        mode: places.mode,
        directory: places.directory ?? null,
        transient: lifetime === "shared",
        xenstore: parts.xenstore?.state ?? "lost",
        lostLines: options.lostLines(),
      }),
    }),
  });
}

function reloadParts(options: DaemonOptions, parts: Parts): ReloadOutcome {
  const { configuration, pumps } = parts;
  const path = options.configurationFile?.path ?? null;
  return reload({ configuration, pumps, emit: options.emit, path });
}

async function takeDown(options: DaemonOptions, parts: Parts): Promise<void> {
  const { places, emit, lifetime } = options;
  const strandedBytes = await parts.pumps.stop();
  // The next daemon finds the streams in the table; a shared daemon that no `run` needs leaves none.
  if (lifetime === "shared" && !hasClients(places)) forgetStreams(parts.streams);
  await parts.control?.[Symbol.asyncDispose]();
  if (places.mode === "embedded" && parts.streams.live.length === 0) await removeStoreTraces(parts);
  await parts.xenstore?.[Symbol.asyncDispose]();
  await parts.vault.stop();
  parts.refusals[Symbol.dispose]();
  if (places.mode === "embedded") await stopStore(storePlaces(places), emit);
  removeNeedless(places, parts.table);
  removeIfPossible(places.controlSocket);
  parts.lock[Symbol.dispose]();
  emit({ kind: "DaemonStopped", strandedBytes });
}

/** A store that does not answer keeps them. */
async function removeStoreTraces({ xenstore }: Parts): Promise<void> {
  await atMost(tracesMsMax, xenstore?.removeTraces() ?? Promise.resolve()).catch(() => {});
}

function forgetStreams(streams: Streams): void {
  for (const stream of streams.live) {
    streams.forget(stream);
    removeIfPossible(stream.record.pipe);
  }
}

/** Waits for both, so that neither is still starting when they are taken down; throws what failed. */
async function both(first: Promise<void>, second: Promise<void>): Promise<void> {
  await Promise.allSettled([first, second]);
  await first;
  await second;
}

function atMost(timeoutMs: number, promise: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, timeoutMs);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
