// SPDX-License-Identifier: Apache-2.0
// An xenstored in this process: one store, one socket. Every client of the socket is dom0, as with
// Xen's own servers: access to the socket is access to everything. A domain may have a socket of
// its own instead of its ring.

import { createServer, type Server, type Socket } from "node:net";
import { type ClientConnection, serveClient } from "./connection.ts";
import { limitOf } from "./quota.ts";
import { handleRequest } from "./requests.ts";
import { listenOnSocket } from "./socket-file.ts";
import { openStateFile } from "./state-file.ts";
import { domainExists, openSession, quotasOf, resetSession, type Session } from "./store.ts";

export interface XenstoreServerOptions {
  /** At most 107 bytes. Made with mode 0600; its directory must exist. */
  readonly socketPath: string;
  /**
   * Keeps the nodes and domains across a restart; state-file.ts says what a crash loses. Without it
   * all is lost with the process, as with C xenstored.
   */
  readonly stateFile?: string;
  /** Gets errors while the server runs; default: a process warning. */
  readonly onError?: (error: Error) => void;
}

export interface XenstoreServer extends AsyncDisposable {
  readonly socketPath: string;
  /**
   * Makes a socket whose client is domain `domid`, with that domain's rights and quotas. As with a
   * ring there is one client at a time, the latest, and none before the domain's introduction; its
   * release ends it. Rejects with XenstoreServerError.
   */
  serveDomain(domid: number, socketPath: string): Promise<void>;
  /** Disconnects all clients, removes the sockets and finishes the state file. */
  close(): Promise<void>;
}

/** startXenstoreServer(options) resolves when clients can connect. Rejects with
 * XenstoreServerError. */
export async function startXenstoreServer(options: XenstoreServerOptions): Promise<XenstoreServer> {
  const { socketPath, onError = (error) => process.emitWarning(error) } = options;
  const state = await openStateFile(options.stateFile, onError);
  const { store } = state;
  const clients = new Map<Session, ClientConnection>();

  const endReleased = (): void => {
    for (const [{ domid }, client] of clients) {
      if (!domainExists(store, domid)) client.end();
    }
  };

  const accept = (socket: Socket, domid: number): void => {
    const session = openSession(domid);
    const touched = new Set<ClientConnection>();
    const client = serveClient(socket, {
      repliesMax: () =>
        domid === 0 ? Number.POSITIVE_INFINITY : limitOf(quotasOf(store, domid), "outstanding"),
      onRequest: (message) => {
        const { domains } = store;
        for (const delivery of handleRequest(store, session, message)) {
          if (delivery.kind === "reply") {
            client.sendReply(delivery.message);
            continue;
          }
          const { session: watcher, path, token, mergeable } = delivery.event;
          const target = clients.get(watcher);
          target?.sendEvent(path, token, mergeable);
          if (target !== undefined) touched.add(target);
        }
        if (store.domains !== domains) endReleased();
      },
      onIdle: () => {
        state.noteChanges();
        for (const target of touched) target.flush();
        touched.clear();
      },
      onClosed: () => {
        resetSession(store, session);
        clients.delete(session);
      },
    });
    clients.set(session, client);
  };

  const servers: Server[] = [];
  const listen = async (path: string, onConnection: (socket: Socket) => void): Promise<void> => {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, onConnection);
    await listenOnSocket(server, path);
    server.on("error", onError);
    servers.push(server);
  };
  await listen(socketPath, (socket) => accept(socket, 0));

  const serveDomain = (domid: number, path: string): Promise<void> =>
    listen(path, (socket) => {
      if (!domainExists(store, domid)) {
        socket.destroy();
        return;
      }
      for (const [session, client] of clients) if (session.domid === domid) client.end();
      accept(socket, domid);
    });

  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= (async () => {
      const stopped = servers.map(
        (server) => new Promise<void>((resolve) => server.close(() => resolve())),
      );
      for (const client of clients.values()) client.end();
      await Promise.all(stopped);
      await state.close();
    })();
    return closed;
  };
  return { socketPath, serveDomain, close, [Symbol.asyncDispose]: close };
}
