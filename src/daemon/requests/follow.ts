// SPDX-License-Identifier: Apache-2.0
// The daemon's one connection to xenstore and all that follows it: requests, dead domains, orphaned
// FIFOs. Waits for a server for as long as it takes, and for the next one when that is gone.

import { parseKeyText } from "../../contract/index.ts";
import type { DaemonStatus } from "../../control/index.ts";
import type { EmitEvent } from "../../observe/index.ts";
import type { Places } from "../../places/index.ts";
import type { StreamRecord } from "../../pump/index.ts";
import { connectXenstore, type XenstoreClient } from "../../xenstore/index.ts";
import { DeadDomains } from "../collect/index.ts";
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
  /** A bug: nobody follows xenstore any more. */
  readonly onFailure: (error: unknown) => void;
}

/** As old as a FIFO has to be to be collected. */
const sweepEveryMs = 60 * 60 * 1000;
/** Longer than any host is up; Node's timers hold no more. */
const foreverMs = 2 ** 31 - 1;

export class XenstoreFollower implements AsyncDisposable {
  readonly #options: XenstoreFollowerOptions;
  readonly #client: Promise<XenstoreClient>;
  readonly #ending: AbortController = new AbortController();
  #reconciler: Reconciler | undefined;
  #sweeping: NodeJS.Timeout | undefined;
  #state: DaemonStatus["xenstore"] = "lost";
  /** Resolves when all that was in the store has been looked at for the first time. */
  readonly firstRead: Promise<void>;

  constructor(options: XenstoreFollowerOptions) {
    this.#options = options;
    const { places, emit } = options;
    this.#client = connectXenstore({
      socketPath: places.xenstorePaths,
      timeoutMs: foreverMs,
      signal: this.#ending.signal,
      beforeConnect: options.beforeConnect,
      onState: (state) => {
        this.#state = state.kind;
        emit(
          state.kind === "connected"
            ? { kind: "XenstoreConnected", socketPath: state.socketPath }
            : { kind: "XenstoreLost", reason: state.cause.message },
        );
      },
    });
    this.firstRead = new Promise((resolve) => {
      this.#client
        .then((client) => this.#follow(client, resolve))
        .catch((error: unknown) => {
          if (!this.#ending.signal.aborted) options.onFailure(error);
        });
    });
  }

  get state(): DaemonStatus["xenstore"] {
    return this.#state;
  }

  /** Looks at a stream's request again, for a reason that is not in xenstore. */
  lookAt(record: StreamRecord): void {
    const key = parseKeyText(record.key);
    if (key !== undefined) this.#reconciler?.lookAt(key).catch(this.#options.onFailure);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sweeping);
    // Without a server there is no client yet, and might never be one.
    this.#ending.abort();
    await this.#client.then((client) => client.close()).catch(() => {});
  }

  async #follow(client: XenstoreClient, onFirstRead: () => void): Promise<void> {
    const { streams, refusals, emit } = this.#options;
    const deadDomains = new DeadDomains(client, emit);
    this.#reconciler = new Reconciler({
      client,
      streams,
      refusals,
      deadDomains,
      emit,
      onFirstRead: () => {
        onFirstRead();
        this.#startSweeping();
      },
    });
    await Promise.all([this.#reconciler.run(), deadDomains.run()]);
  }

  #startSweeping(): void {
    // The first read may end after the follower has.
    if (this.#sweeping !== undefined || this.#ending.signal.aborted) return;
    const sweep = (): void => {
      const { places, onFailure } = this.#options;
      this.#reconciler?.sweep(places.fifoDirectory).catch(onFailure);
    };
    sweep();
    this.#sweeping = setInterval(sweep, sweepEveryMs);
  }
}
