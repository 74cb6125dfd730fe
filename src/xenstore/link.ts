// SPDX-License-Identifier: Apache-2.0
// Keeps one connection to the server: makes the first, and a new one each time it is lost. Only
// `onConnected` sends requests again over a new connection.

import { type Backoff, pause, reasonOf, spreadPauseMs } from "../program/portable/index.ts";
import type { XenstoreConnectOptions } from "./client-interface.ts";
import { type Connection, openConnection } from "./connection.ts";
import { XenstoreError } from "./errors.ts";
import type { XenstorePlace } from "./locate.ts";

export interface Link {
  /** The live connection. Throws UNREACHABLE, LOST or CLOSED when there is none. */
  connection(): Connection;
  close(): Promise<void>;
}

export interface LinkHandlers {
  onEvent(path: string, token: string): void;
  /** Called once when the first connection takes long. */
  onAwaited(cause: Error): void;
  /** Called before any request of the user can use `connection`. */
  onConnected(connection: Connection): void;
  /** `final` is set when no further connection will be made. */
  onLost(cause: Error, final: XenstoreError | undefined): void;
}

type State = { readonly kind: "connected"; readonly connection: Connection } | Absence;

type Absence =
  | { readonly kind: "away"; readonly cause: Error }
  | { readonly kind: "lost"; readonly cause: Error }
  | { readonly kind: "closed" };

const timeoutDefaultMs = 5000;
const requestTimeoutDefaultMs = 30_000;

/** Fast at first, since a full listen backlog clears within a request's time. */
const firstBackoff: Backoff = { firstMs: 5, maxMs: 250 };
/** A server that is just starting, or whose backlog was full for a moment, needs no report. */
const awaitedMs = 1000;
/** At most one try a second while a server is away. A connection that lived for less than `maxMs`
 * counts as a failed try, so a server that closes each connection at once does not speed it up. */
const reconnectBackoff: Backoff = { firstMs: 40, maxMs: 1000 };

/** No socket yet, no server behind it yet, or no room in its listen backlog. */
const passingErrors: readonly unknown[] = ["ENOENT", "ECONNREFUSED", "EAGAIN"];

/** openLink(place, options, handlers) resolves with the first connection made.
 * Rejects with UNREACHABLE, or the reason of `options.signal`. */
export function openLink(
  place: XenstorePlace,
  options: XenstoreConnectOptions,
  handlers: LinkHandlers,
): Promise<Link> {
  return KeptLink.open(place, options, handlers);
}

class KeptLink implements Link {
  readonly #place: XenstorePlace;
  readonly #options: XenstoreConnectOptions;
  readonly #handlers: LinkHandlers;
  readonly #requestTimeoutMs: number;
  readonly #closing = new AbortController();
  #state: State = { kind: "away", cause: new Error("not connected yet") };
  #reconnecting: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;
  #connectedAtMs = 0;
  #retries = 0;

  static async open(
    place: XenstorePlace,
    options: XenstoreConnectOptions,
    handlers: LinkHandlers,
  ): Promise<Link> {
    const link = new KeptLink(place, options, handlers);
    link.#enter(await link.#connectFirst());
    return link;
  }

  private constructor(
    place: XenstorePlace,
    options: XenstoreConnectOptions,
    handlers: LinkHandlers,
  ) {
    this.#place = place;
    this.#options = options;
    this.#handlers = handlers;
    this.#requestTimeoutMs = options.requestTimeoutMs ?? requestTimeoutDefaultMs;
  }

  async #connectOnce(): Promise<Connection> {
    await this.#options.beforeConnect?.();
    const { onEvent } = this.#handlers;
    const onLost = (cause: Error): void => this.#lose(cause);
    return openConnection(this.#place.open, { onEvent, onLost }, this.#requestTimeoutMs);
  }

  async #connectFirst(): Promise<Connection> {
    const startedMs = performance.now();
    const deadlineMs = startedMs + (this.#options.timeoutMs ?? timeoutDefaultMs);
    let isReported = false;
    for (let retry = 0; ; retry += 1) {
      this.#options.signal?.throwIfAborted();
      try {
        const connection = await this.#connectOnce();
        if (this.#options.signal?.aborted !== true) return connection;
        await connection.close(this.#absent({ kind: "closed" }));
      } catch (cause) {
        const passing = passingErrors.includes((cause as NodeJS.ErrnoException).code);
        if (!passing || performance.now() >= deadlineMs) throw unreachable(this.#place, cause);
        if (!isReported && performance.now() - startedMs >= awaitedMs) {
          isReported = true;
          this.#handlers.onAwaited(unreachable(this.#place, cause));
        }
      }
      await pause(spreadPauseMs(firstBackoff, retry, Math.random()), this.#options.signal);
    }
  }

  #enter(connection: Connection): void {
    this.#connectedAtMs = performance.now();
    this.#state = { kind: "connected", connection };
    this.#handlers.onConnected(connection);
  }

  #lose(cause: Error): void {
    if (this.#state.kind !== "connected") return;
    if (this.#options.reconnect === false) {
      this.#state = { kind: "lost", cause };
      this.#handlers.onLost(cause, this.#absent(this.#state));
      return;
    }
    this.#state = { kind: "away", cause };
    this.#handlers.onLost(cause, undefined);
    this.#reconnecting = this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    if (performance.now() - this.#connectedAtMs >= reconnectBackoff.maxMs) this.#retries = 0;
    for (;;) {
      const connection = await this.#connectAfter(this.#retries);
      this.#retries += 1;
      if (this.#closing.signal.aborted) {
        await connection?.close(this.#absent({ kind: "closed" }));
        return;
      }
      if (connection !== undefined) {
        this.#enter(connection);
        return;
      }
    }
  }

  /** One more try. Its error is dropped: UNREACHABLE reports the cause of the loss. */
  async #connectAfter(retry: number): Promise<Connection | undefined> {
    try {
      await pause(spreadPauseMs(reconnectBackoff, retry, Math.random()), this.#closing.signal);
      return await this.#connectOnce();
    } catch {
      return undefined;
    }
  }

  connection(): Connection {
    if (this.#state.kind === "connected") return this.#state.connection;
    throw this.#absent(this.#state);
  }

  close(): Promise<void> {
    this.#closed ??= this.#closeOnce();
    return this.#closed;
  }

  async #closeOnce(): Promise<void> {
    const last = this.#state;
    this.#state = { kind: "closed" };
    this.#closing.abort();
    if (last.kind === "connected") await last.connection.close(this.#absent(this.#state));
    // Wait for a try that is under way: its beforeConnect may be starting a server.
    await this.#reconnecting;
  }

  #absent(without: Absence): XenstoreError {
    switch (without.kind) {
      case "away":
        return unreachable(this.#place, without.cause);
      case "lost":
        return new XenstoreError("LOST", `connection to ${this.#place.path()} was lost`, without);
      case "closed":
        return new XenstoreError("CLOSED", `client of ${this.#place.path()} was closed`);
    }
  }
}

function unreachable(place: XenstorePlace, cause: unknown): XenstoreError {
  const message = `cannot reach xenstored at ${place.describe()}: ${reasonOf(cause)}`;
  return new XenstoreError("UNREACHABLE", message, { cause });
}
