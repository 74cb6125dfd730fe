// SPDX-License-Identifier: Apache-2.0
// The main process, composed: bytes first (table and pumps), then xenstore, then who asks. It never
// touches a log or a stage; that is the pumps' part.

import { rmSync } from "node:fs";
import { type ControlServer, type ReloadOutcome, startControlServer } from "../control/index.ts";
import type { EmitEvent } from "../observe/index.ts";
import type { Places } from "../places/index.ts";
import type { Program } from "../program/index.ts";
import { type ServiceManager, Vault } from "../vault/index.ts";
import {
  ConfigurationError,
  type ConfigurationFile,
  LiveConfiguration,
} from "./configuration/index.ts";
import { controlSource } from "./control-source.ts";
import { makeDirectories, removeDirectories } from "./directories.ts";
import { type InstanceLock, takeInstanceLock } from "./instance-lock.ts";
import { Pumps } from "./pumps/index.ts";
import { Refusals, XenstoreFollower } from "./requests/index.ts";
import { hasClients, type Lifetime, watchLifetime } from "./shared-daemon.ts";
import { ensureStore, stopStore } from "./store-process.ts";
import { Streams, StreamTable } from "./streams/index.ts";

export interface DaemonOptions {
  readonly places: Places;
  readonly version: string;
  /** `shared` is for a daemon that `run` started: it ends when nobody needs it any more. */
  readonly lifetime: Lifetime;
  readonly serviceManager: ServiceManager;
  readonly pumpProgram: Program;
  readonly storeProgram: Program;
  readonly emit: EmitEvent;
  /** Where its configuration is read from, now and at each reload. */
  readonly configurationFile: ConfigurationFile | undefined;
}

export interface Daemon {
  /** Resolves when something other than `stop` says that it is time. */
  readonly ended: Promise<void>;
  /** Reads the configuration again, and lets the pumps look for files that were moved. */
  reload(): ReloadOutcome;
  /** Drains, closes, and takes down what the daemon has started. */
  stop(): Promise<void>;
}

/** A pump that is not ready by then waits for a predecessor: the others must not wait for it. */
const pumpPatienceMs = 5000;

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
    throw error;
  }
  const running = parts;
  const unwatch = watchLifetime(options.lifetime, places, running.streams, running.end);
  return {
    ended: running.ended,
    reload: () => reload(options, running),
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
  readonly streams: Streams;
  readonly refusals: Refusals;
  readonly pumps: Pumps;
  readonly vault: Vault;
  xenstore: XenstoreFollower | undefined;
  control: ControlServer | undefined;
  readonly ended: Promise<void>;
  readonly end: () => void;
  readonly fail: (error: unknown) => void;
}

/** All that needs no process and no connection. */
function makeParts(
  options: DaemonOptions,
  configuration: LiveConfiguration,
  lock: InstanceLock,
): Parts {
  const { places, pumpProgram, serviceManager, emit } = options;
  let end: () => void = () => {};
  let fail: (error: unknown) => void = () => {};
  const ended = new Promise<void>((resolve, reject) => {
    end = resolve;
    fail = reject;
  });
  // Whoever waits for it hears of a failure; until then it is not unhandled.
  ended.catch(() => {});
  const table = new StreamTable(places.volatileDirectory);
  const { positionsDirectory } = table;
  const vault = new Vault({ directory: places.volatileDirectory, serviceManager, emit });
  const pumps = new Pumps({
    places,
    positionsDirectory,
    vault,
    program: pumpProgram,
    fsync: () => configuration.current.fsync,
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
    streams,
    refusals: new Refusals(places.runDirectory),
    pumps,
    vault,
    xenstore: undefined,
    control: undefined,
    ended,
    end,
    fail,
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
  // The store is started here once, so that one that cannot start is said and not tried for ever.
  await both(atMost(pumpPatienceMs, ready), beforeConnect());
  parts.control = await startControl(options, parts);
  const onFailure = parts.fail;
  parts.xenstore = new XenstoreFollower({
    places,
    streams,
    refusals,
    emit,
    beforeConnect,
    onFailure,
  });
  // A host's xenstored may start after us, and may itself be waiting for us.
  if (places.mode === "embedded") await Promise.race([parts.xenstore.firstRead, parts.ended]);
  const directory = places.directory ?? places.runDirectory;
  emit({ kind: "DaemonStarted", version: options.version, directory });
  options.serviceManager.ready(`logging below ${places.logDirectory}`);
}

/** Only an embedded daemon brings a store with it. */
async function prepareStore({ places, storeProgram, emit }: DaemonOptions): Promise<void> {
  if (places.mode === "host") return;
  const { xenstoreSocket: socketPath, stateDirectory } = places;
  await ensureStore({ socketPath, stateDirectory, program: storeProgram, emit });
}

function startControl(options: DaemonOptions, parts: Parts): Promise<ControlServer> {
  const { places, version, lifetime } = options;
  const startedAt = new Date().toISOString();
  return startControlServer({
    socketPath: places.controlSocket,
    source: controlSource({
      streams: parts.streams,
      refusals: parts.refusals,
      stop: parts.end,
      reload: () => reload(options, parts),
      status: () => ({
        pid: process.pid,
        version,
        startedAt,
        mode: places.mode,
        directory: places.directory ?? null,
        transient: lifetime === "shared",
        xenstore: parts.xenstore?.state ?? "lost",
      }),
    }),
  });
}

function reload({ emit, configurationFile }: DaemonOptions, parts: Parts): ReloadOutcome {
  const outcome = reloadConfiguration(parts.configuration);
  const path = configurationFile?.path ?? null;
  if (outcome.kind === "reloaded") {
    emit({ kind: "ConfigurationReloaded", path });
    parts.pumps.configure();
  } else {
    emit({ kind: "ConfigurationRefused", path, reason: outcome.reason });
  }
  // Whoever moved log files is right to say so, whatever is wrong with the configuration.
  parts.pumps.reopen();
  return outcome;
}

function reloadConfiguration(configuration: LiveConfiguration): ReloadOutcome {
  try {
    configuration.reload();
    return { kind: "reloaded" };
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return { kind: "refused", reason: error.message };
  }
}

async function takeDown(options: DaemonOptions, parts: Parts): Promise<void> {
  const { places, emit, lifetime } = options;
  const strandedBytes = await parts.pumps.stop();
  // A daemon that comes again finds its streams; one that ends for good leaves none.
  if (lifetime === "shared" && !hasClients(places)) forgetStreams(parts.streams);
  await parts.control?.[Symbol.asyncDispose]();
  await parts.xenstore?.[Symbol.asyncDispose]();
  parts.vault.stop();
  parts.refusals[Symbol.dispose]();
  if (places.mode === "embedded") await stopStore(places.stateDirectory);
  rmSync(places.controlSocket, { force: true });
  parts.lock[Symbol.dispose]();
  emit({ kind: "DaemonStopped", strandedBytes });
}

function forgetStreams(streams: Streams): void {
  for (const stream of streams.live) {
    streams.forget(stream);
    rmSync(stream.record.pipe, { force: true });
  }
}

/** Waits for both, so that whoever takes down meets no half-started one; throws what failed first. */
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
