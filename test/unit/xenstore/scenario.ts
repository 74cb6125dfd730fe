// SPDX-License-Identifier: Apache-2.0
// Plays requests against the server's rules, without a socket, and writes down what comes back:
//
//   "a WRITE /w|v"       a's request; `|` stands for NUL; `#1` after the name is a transaction
//   "a< OK" "b< !ENOENT" the reply, or the error
//   "a* /w t"            an event: path and token

import assert from "node:assert/strict";
import { type MessageName, messageName, messageType } from "../../../src/xenstore/message.ts";
import { handleRequest } from "../../../src/xenstore/server/requests.ts";
import {
  createStore,
  openSession,
  resetSession,
  type Session,
  type Store,
} from "../../../src/xenstore/server/store.ts";

export interface Scenario {
  readonly store: Store;
  /** Sends one request and returns what every client got, in order. */
  play(request: string): string[];
  /** Sends requests whose replies do not matter. */
  arrange(...requests: readonly string[]): void;
  close(client: string): void;
}

/** Client names that start with `d` and a number are that domain, all others dom0. */
export function scenario(): Scenario {
  const store = createStore();
  const sessions = new Map<string, Session>();
  const sessionOf = (client: string): Session => {
    const known = sessions.get(client);
    if (known !== undefined) return known;
    const opened = openSession(Number(/^d(\d+)$/.exec(client)?.[1] ?? 0));
    sessions.set(client, opened);
    return opened;
  };
  const nameOf = (session: Session): string =>
    [...sessions].find(([, known]) => known === session)?.[0] ?? "?";

  const play = (request: string): string[] => {
    const match = /^(\w+) ([A-Z_]+|\d+)(?:#(\d+))?(?: (.*))?$/s.exec(request);
    const [, client = "", type = "", txId = "0", payload = ""] = match ?? [];
    assert.ok(match, `unreadable request ${request}`);
    const deliveries = handleRequest(store, sessionOf(client), {
      type: /^\d+$/.test(type) ? Number(type) : messageType(type as MessageName),
      reqId: 1,
      txId: Number(txId),
      payload: Buffer.from(payload.replaceAll("|", "\0"), "latin1"),
    });
    return deliveries.map((delivery) => {
      if (delivery.kind === "event") {
        return `${nameOf(delivery.event.session)}* ${delivery.event.path} ${delivery.event.token}`;
      }
      const text = Buffer.from(delivery.message.payload).toString("latin1").replaceAll("\0", "|");
      const error = messageName(delivery.message.type) === "ERROR";
      const shown = text === "OK|" ? "OK" : text;
      return `${client}< ${error ? `!${text.slice(0, -1)}` : shown}`;
    });
  };
  return {
    store,
    play,
    arrange: (...requests) => {
      for (const request of requests) play(request);
    },
    close: (client) => {
      resetSession(store, sessionOf(client));
      sessions.delete(client);
    },
  };
}

/** A table row: a request, and everything that comes of it, in order. */
export type Row = readonly [request: string, ...expected: string[]];

/** playTable(rows) plays them on a new store. */
export function playTable(rows: readonly Row[]): void {
  const { play } = scenario();
  for (const [request, ...expected] of rows) assert.deepEqual(play(request), expected, request);
}
