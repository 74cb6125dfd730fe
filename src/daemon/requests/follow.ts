// SPDX-License-Identifier: Apache-2.0
// The daemon's one connection to xenstore, and what follows it: requests, dead domains, orphaned
// FIFOs. Waits for a server without a limit, and for the next one when that is gone.

import { libxlRoot, parseKeyText, removeTraces, scopeOfEvent } from "../../contract/index.ts";
import type { DaemonStatus } from "../../control/index.ts";
import type { DaemonEvent, EmitEvent } from "../../observe/index.ts";
import type { Places } from "../../places/index.ts";
import type { StreamRecord } from "../../pump/index.ts";
import {
  connectXenstore,
  type XenstoreClient,
  type XenstoreConnectionState,
} from "../../xenstore/index.ts";
import { DeadDomains, OrphanFifos } from "../collect/index.ts";
import type { Streams } from "../streams/index.ts";
import { Reconciler } from "./reconciler.ts";
import type { Refusals } from "./refusals.ts";

export interface XenstoreFollowerOptions {
  readonly places: Places;
  readonly streams: Streams;
  readonly refusals: Refusals;
  readonly emit: EmitEvent;
  /** Called before each try to connect. */
  readonly beforeConnect: () => Promise<void>;
  /** A bug: xenstore is not followed any more. */
  readonly onFailure: (error: unknown) => void;
}

/** Longer than any host is up; a timer of Node.js cannot be longer. */
const connectMsMax = 2 ** 31 - 1;

export class XenstoreFollower implements AsyncDisposable {
  readonly #options: XenstoreFollowerOptions;
  readonly #client: Promise<XenstoreClient>;
  readonly #ending: AbortController = new AbortController();
  #reconciler: Reconciler | undefined;
  #orphanFifos: OrphanFifos | undefined;
  #state: DaemonStatus["xenstore"] = "lost";
  /** Resolves when all requests in the store have been looked at for the first time. */
  readonly firstRead: Promise<void>;

  constructor(options: XenstoreFollowerOptions) {
    this.#options = options;
    const { places, emit } = options;
    this.#client = connectXenstore({
      socketPath: places.xenstorePaths,
      timeoutMs: connectMsMax,
      signal: this.#ending.signal,
      beforeConnect: options.beforeConnect,
      onState: (state) => {
        this.#state = state.kind === "connected" ? "connected" : "lost";
        emit(eventOf(state));
      },
    });
    this.firstRead = new Promise((resolve) => {
      this.#client
        .then((client) => this.#follow(client, resolve))
        .catch((error: unknown) => this.#failed(error));
    });
  }

  get state(): DaemonStatus["xenstore"] {
    return this.#state;
  }

  /** Looks at a stream's request again, for a reason that is not in xenstore. */
  lookAt(record: StreamRecord): void {
    const key = parseKeyText(record.key);
    if (key === undefined) return;
    this.#reconciler?.lookAt({ kind: "logfile", key }).catch(this.#options.onFailure);
  }

  /** See `removeTraces`. Does nothing without a connection. */
  async removeTraces(): Promise<void> {
    if (this.#state !== "connected") return;
    const client = await this.#client;
    await client.transaction(removeTraces);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#orphanFifos?.[Symbol.dispose]();
    // Without a server there is no client yet, and there may never be one.
    this.#ending.abort();
    await this.#client.then((client) => client.close()).catch(() => {});
  }

  async #follow(client: XenstoreClient, onFirstRead: () => void): Promise<void> {
    const { streams, refusals, emit } = this.#options;
    const deadDomains = new DeadDomains(client, emit);
    this.#reconciler = new Reconciler({ client, streams, refusals, deadDomains, emit });
    const requests = this.#followRequests(client, this.#reconciler, () => {
      onFirstRead();
      refusals.reportLeft();
      this.#collectFifos(client);
    });
    await Promise.all([requests, deadDomains.run()]);
  }

  /** Does not wait for a look: an event that comes during one belongs to the next one. */
  async #followRequests(
    client: XenstoreClient,
    reconciler: Reconciler,
    onRead: () => void,
  ): Promise<void> {
    for await (const { path } of await client.watch(libxlRoot)) {
      const scope = scopeOfEvent(path);
      if (scope.kind === "unrelated") continue;
      reconciler
        .lookAt(scope)
        .then(() => {
          if (scope.kind === "everything") onRead();
        })
        .catch((error: unknown) => this.#failed(error));
    }
  }

  #collectFifos(client: XenstoreClient): void {
    // The first read may end after the follower has.
    if (this.#orphanFifos !== undefined || this.#ending.signal.aborted) return;
    const { places, streams, refusals, emit, onFailure } = this.#options;
    this.#orphanFifos = new OrphanFifos({
      client,
      fifoDirectory: places.fifoDirectory,
      pipesInUse: () => [
        ...streams.live.map(({ record }) => record.pipe),
        ...refusals.held.map(({ pipe }) => pipe),
      ],
      emit,
      onFailure,
    });
  }

  #failed(error: unknown): void {
    if (!this.#ending.signal.aborted) this.#options.onFailure(error);
  }
}

function eventOf(state: XenstoreConnectionState): DaemonEvent {
  switch (state.kind) {
    case "awaited":
      return { kind: "XenstoreAwaited", reason: state.cause.message };
    case "connected":
      return { kind: "XenstoreConnected", socketPath: state.socketPath };
    case "lost":
      return { kind: "XenstoreLost", reason: state.cause.message };
  }
}
