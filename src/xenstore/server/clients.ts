// SPDX-License-Identifier: Apache-2.0
// The clients that are connected, each with its session. A request's reply goes to its client, its
// events to the clients that watch; all are flushed after the batch.

import type { Socket } from "node:net";
import { type ClientConnection, serveClient } from "./connection.ts";
import { limitOf } from "./quota.ts";
import { handleRequest, refuse } from "./requests.ts";
import { keptOf, type StateFile } from "./state-file.ts";
import {
  domainExists,
  openSession,
  quotasOf,
  resetSession,
  type Session,
  type Store,
} from "./store.ts";

export class Clients {
  readonly #state: StateFile;
  readonly #store: Store;
  readonly #clients = new Map<Session, ClientConnection>();

  constructor(state: StateFile) {
    this.#state = state;
    this.#store = state.store;
  }

  accept(socket: Socket, domid: number): void {
    const store = this.#store;
    const clients = this.#clients;
    const session = openSession(domid);
    const touched = new Set<ClientConnection>();
    const client = serveClient(socket, {
      repliesMax: () =>
        domid === 0 ? Number.POSITIVE_INFINITY : limitOf(quotasOf(store, domid), "outstanding"),
      onRequest: (message) => {
        const before = keptOf(store);
        const handled = handleRequest(store, session, message);
        const refusal = this.#state.admit(before);
        for (const delivery of refusal === undefined ? handled : refuse(message, refusal)) {
          if (delivery.kind === "reply") {
            client.sendReply(delivery.message);
            continue;
          }
          const { session: watcher, path, token, mergeable } = delivery.event;
          const target = clients.get(watcher);
          target?.sendEvent(path, token, mergeable);
          if (target !== undefined) touched.add(target);
        }
        if (store.domains !== before.domains) this.#endReleased();
      },
      onIdle: () => {
        this.#state.noteChanges();
        for (const target of touched) target.flush();
        touched.clear();
      },
      onClosed: () => {
        resetSession(store, session);
        clients.delete(session);
      },
    });
    clients.set(session, client);
  }

  #endReleased(): void {
    for (const [{ domid }, client] of this.#clients) {
      if (!domainExists(this.#store, domid)) client.end();
    }
  }

  endOf(domid: number): void {
    for (const [session, client] of this.#clients) if (session.domid === domid) client.end();
  }

  endAll(): void {
    for (const client of this.#clients.values()) client.end();
  }
}
