// SPDX-License-Identifier: Apache-2.0
// The main process, composed: bytes first (table and pumps), then xenstore, then who asks. It never
// touches a log or a stage; that is the pumps' part.

import { rmSync } from "node:fs";
import { parseKeyText } from "../contract/index.ts";
import {
  type ControlServer,
  type DaemonStatus,
  type Places,
  startControlServer,
} from "../control/index.ts";
import { connectXenstore, type XenstoreClient } from "../xenstore/index.ts";
import { controlSource } from "./control-source.ts";
import { DeadDomains } from "./dead-domains.ts";
import { makeDirectories, removeDirectories } from "./directories.ts";
import type { EmitEvent } from "./events.ts";
import { fileSystemOf, readMounts } from "./file-systems.ts";
import { type InstanceLock, takeInstanceLock } from "./instance-lock.ts";
import type { Program } from "./program.ts";
import { PumpProcess } from "./pump-process.ts";
import { Reconciler } from "./reconciler.ts";
import { Refusals } from "./refusals.ts";
import { ensureStore, stopStore } from "./store-process.ts";
import { StreamTable } from "./stream-table.ts";
import { Streams } from "./streams.ts";
import { hasClients, type Lifetime, watchLifetime } from "./transient.ts";

export interface DaemonOptions {
  readonly places: Places;
  readonly version: string;
  /** `transient` is for a daemon that `run` started: it ends when nobody needs it any more. */
  readonly lifetime: Lifetime;
  readonly pumpProgram: Program;
  readonly storeProgram: Program;
  readonly emit: EmitEvent;
}

export interface Daemon {
  /** Resolves when something other than `stop` says that it is time. */
  readonly ended: Promise<void>;
  /** Drains, closes, and takes down what the daemon has started. */
  stop(): Promise<void>;
}

/** A pump that is not ready by then waits for a predecessor: the others must not wait for it. */
const pumpPatienceMs = 5000;

/** Throws DaemonError, and leaves nothing behind then. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { places } = options;
  const made = makeDirectories(places);
  const parts: Parts = {
    made,
    streams: undefined,
    refusals: new Refusals(places.runDirectory),
    lock: undefined,
    control: undefined,
    client: undefined,
    pumps: new Map(),
  };
  try {
    parts.lock = takeInstanceLock(places.pidFile);
    return await compose(options, parts);
  } catch (error) {
    // Without the lock the places are another daemon's.
    if (parts.lock !== undefined) await takeDown(options, parts);
    removeDirectories(made);
    throw error;
  }
}

interface Parts {
  streams: Streams | undefined;
  readonly refusals: Refusals;
  readonly made: readonly string[];
  lock: InstanceLock | undefined;
  control: ControlServer | undefined;
  client: Promise<XenstoreClient> | undefined;
  readonly pumps: Map<string, PumpProcess>;
}

async function compose(options: DaemonOptions, parts: Parts): Promise<Daemon> {
  const { places, emit } = options;
  const table = new StreamTable(places.volatileDirectory);
  const startedAt = new Date().toISOString();
  let xenstore: DaemonStatus["xenstore"] = "lost";
  let end: () => void = () => {};
  let fail: (error: unknown) => void = () => {};
  const ended = new Promise<void>((resolve, reject) => {
    end = resolve;
    fail = reject;
  });
  // Whoever waits for it hears of a failure; until then it is not unhandled.
  ended.catch(() => {});

  const makePump = (fileSystem: string, directory: string): PumpProcess => {
    const pump = new PumpProcess({
      fileSystem,
      directory,
      volatileDirectory: places.volatileDirectory,
      positionsDirectory: table.positionsDirectory,
      program: options.pumpProgram,
      emit,
      onMessage: (message) => streams.receive(message),
      onStarted: () => streams.tellPump(fileSystem),
    });
    parts.pumps.set(fileSystem, pump);
    return pump;
  };
  let reconciler: Reconciler | undefined;
  const streams = new Streams({
    places,
    table,
    emit,
    onRestored: (record) => {
      const key = parseKeyText(record.key);
      if (key !== undefined) reconciler?.lookAt(key).catch(fail);
    },
    pumpFor: (fileSystem, directory) => {
      const known = parts.pumps.get(fileSystem);
      if (known !== undefined) return known;
      const pump = makePump(fileSystem, directory);
      pump.start().catch((error: Error) => {
        // The next request on that file system tries again.
        parts.pumps.delete(fileSystem);
        streams.refuseAll(fileSystem, error.message);
      });
      return pump;
    },
  });

  parts.streams = streams;
  const first = fileSystemOf(places.ownLogDirectory, readMounts());
  const ready = makePump(first, places.ownLogDirectory).start();
  streams.restore();
  const beforeConnect = (): Promise<void> =>
    places.mode === "host"
      ? Promise.resolve()
      : ensureStore({
          socketPath: places.xenstoreSocket,
          stateDirectory: places.stateDirectory,
          program: options.storeProgram,
          emit,
        });
  // The store is started here once, so that one that cannot start is said and not tried for ever.
  await both(atMost(pumpPatienceMs, ready), beforeConnect());

  parts.control = await startControlServer({
    socketPath: places.controlSocket,
    source: controlSource({
      streams,
      refusals: parts.refusals,
      stop: () => end(),
      status: () => ({
        pid: process.pid,
        version: options.version,
        startedAt,
        mode: places.mode,
        directory: places.directory ?? null,
        transient: options.lifetime === "transient",
        xenstore,
      }),
    }),
  });

  parts.client = connectXenstore({
    socketPath: places.xenstoreSocket,
    timeoutMs: foreverMs,
    beforeConnect,
    onState: (state) => {
      xenstore = state.kind;
      emit(
        state.kind === "connected"
          ? { kind: "XenstoreConnected", socketPath: places.xenstoreSocket }
          : { kind: "XenstoreLost", reason: state.cause.message },
      );
    },
  });
  const read = new Promise<void>((resolve) => {
    parts.client
      ?.then((client) => {
        const deadDomains = new DeadDomains(client, emit);
        reconciler = new Reconciler({
          client,
          streams,
          refusals: parts.refusals,
          deadDomains,
          emit,
          onFirstRead: resolve,
        });
        return Promise.all([reconciler.run(), deadDomains.run()]);
      })
      .catch(fail);
  });
  // A host's xenstored may start after us, and may itself be waiting for us.
  if (places.mode === "embedded") await Promise.race([read, ended]);

  const sweep = (): void => {
    reconciler?.sweep(places.fifoDirectory).catch(fail);
  };
  read.then(sweep, () => {});
  const sweeping = setInterval(sweep, sweepEveryMs);
  const unwatch = watchLifetime(options.lifetime, places, streams, () => end());
  emit({
    kind: "DaemonStarted",
    version: options.version,
    directory: places.directory ?? places.runDirectory,
  });
  return {
    ended,
    stop: async () => {
      unwatch();
      clearInterval(sweeping);
      await takeDown(options, parts, () => {
        // A daemon that comes again finds its streams; one that ended for good leaves none.
        if (options.lifetime === "transient" && !hasClients(places)) {
          for (const stream of streams.live) {
            streams.forget(stream);
            rmSync(stream.record.pipe, { force: true });
          }
        }
      });
    },
  };
}

/** As old as a FIFO has to be. */
const sweepEveryMs = 60 * 60 * 1000;

/** Longer than any host is up; Node's timers hold no more. */
const foreverMs = 2 ** 31 - 1;

async function takeDown(
  options: DaemonOptions,
  parts: Parts,
  afterDrain: () => void = () => {},
): Promise<void> {
  const { places, emit } = options;
  const stranded = await Promise.all([...parts.pumps.values()].map((pump) => pump.stop()));
  const strandedBytes = stranded.includes("unknown")
    ? "unknown"
    : stranded.reduce((sum: number, bytes) => sum + Number(bytes), 0);
  afterDrain();
  await parts.control?.[Symbol.asyncDispose]();
  await parts.client?.then((client) => client.close()).catch(() => {});
  parts.streams?.release();
  parts.refusals[Symbol.dispose]();
  if (places.mode === "embedded") await stopStore(places.stateDirectory);
  rmSync(places.controlSocket, { force: true });
  parts.lock?.[Symbol.dispose]();
  emit({ kind: "DaemonStopped", strandedBytes });
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
