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
/** At most one try a second while a server is away. A connection that lived for less than `maxMs`
 * counts as a failed try, so a server that closes each connection at once does not speed it up. */
const reconnectBackoff: Backoff = { firstMs: 40, maxMs: 1000 };

/** No socket yet, no server behind it yet, or no room in its listen backlog. */
const passingErrors: readonly unknown[] = ["ENOENT", "ECONNREFUSED", "EAGAIN"];

/** openLink(place, options, handlers) resolves with the first connection made.
 * Rejects with UNREACHABLE, or the reason of `options.signal`. */
export async function openLink(
  place: XenstorePlace,
  options: XenstoreConnectOptions,
  handlers: LinkHandlers,
): Promise<Link> {
  const requestTimeoutMs = options.requestTimeoutMs ?? requestTimeoutDefaultMs;
  const closing = new AbortController();
  let state: State = { kind: "away", cause: new Error("not connected yet") };
  let reconnecting: Promise<void> = Promise.resolve();
  let closed: Promise<void> | undefined;
  let connectedAtMs = 0;
  let retries = 0;

  enter(await connectFirst());
  return { connection, close };

  async function connectOnce(): Promise<Connection> {
    await options.beforeConnect?.();
    const { onEvent } = handlers;
    return openConnection(place.open, { onEvent, onLost: lose }, requestTimeoutMs);
  }

  async function connectFirst(): Promise<Connection> {
    const deadlineMs = performance.now() + (options.timeoutMs ?? timeoutDefaultMs);
    for (let retry = 0; ; retry += 1) {
      options.signal?.throwIfAborted();
      try {
        const connection = await connectOnce();
        if (options.signal?.aborted !== true) return connection;
        await connection.close(absent({ kind: "closed" }));
      } catch (cause) {
        const passing = passingErrors.includes((cause as NodeJS.ErrnoException).code);
        if (!passing || performance.now() >= deadlineMs) throw unreachable(place, cause);
      }
      await pause(spreadPauseMs(firstBackoff, retry, Math.random()), options.signal);
    }
  }

  function enter(connection: Connection): void {
    connectedAtMs = performance.now();
    state = { kind: "connected", connection };
    handlers.onConnected(connection);
  }

  function lose(cause: Error): void {
    if (state.kind !== "connected") return;
    if (options.reconnect === false) {
      state = { kind: "lost", cause };
      handlers.onLost(cause, absent(state));
      return;
    }
    state = { kind: "away", cause };
    handlers.onLost(cause, undefined);
    reconnecting = reconnect();
  }

  async function reconnect(): Promise<void> {
    if (performance.now() - connectedAtMs >= reconnectBackoff.maxMs) retries = 0;
    for (;;) {
      const connection = await connectAfter(retries);
      retries += 1;
      if (closing.signal.aborted) {
        await connection?.close(absent({ kind: "closed" }));
        return;
      }
      if (connection !== undefined) {
        enter(connection);
        return;
      }
    }
  }

  /** One more try. Its error is dropped: UNREACHABLE reports the cause of the loss. */
  async function connectAfter(retry: number): Promise<Connection | undefined> {
    try {
      await pause(spreadPauseMs(reconnectBackoff, retry, Math.random()), closing.signal);
      return await connectOnce();
    } catch {
      return undefined;
    }
  }

  function connection(): Connection {
    if (state.kind === "connected") return state.connection;
    throw absent(state);
  }

  function close(): Promise<void> {
    closed ??= closeOnce();
    return closed;
  }

  async function closeOnce(): Promise<void> {
    const last = state;
    state = { kind: "closed" };
    closing.abort();
    if (last.kind === "connected") await last.connection.close(absent(state));
    // Wait for a try that is under way: its beforeConnect may be starting a server.
    await reconnecting;
  }

  function absent(without: Absence): XenstoreError {
    switch (without.kind) {
      case "away":
        return unreachable(place, without.cause);
      case "lost":
        return new XenstoreError("LOST", `connection to ${place.path()} was lost`, without);
      case "closed":
        return new XenstoreError("CLOSED", `client of ${place.path()} was closed`);
    }
  }
}

function unreachable(place: XenstorePlace, cause: unknown): XenstoreError {
  const message = `cannot reach xenstored at ${place.describe()}: ${reasonOf(cause)}`;
  return new XenstoreError("UNREACHABLE", message, { cause });
}
