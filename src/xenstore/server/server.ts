// SPDX-License-Identifier: Apache-2.0
// An xenstored in this process: one store, one socket. Every client is dom0, as with Xen's own
// servers: whoever may open the socket may do everything.

import { createServer, type Socket } from "node:net";
import { type ClientConnection, serveClient } from "./connection.ts";
import { handleRequest } from "./requests.ts";
import { listenOnSocket } from "./socket-file.ts";
import { openStateFile } from "./state-file.ts";
import { openSession, resetSession, type Session } from "./store.ts";

export interface XenstoreServerOptions {
  /** At most 107 bytes. Made with mode 0600; its directory must exist. */
  readonly socketPath: string;
  /** Where the nodes and domains are kept across a restart; see state-file.ts for what a crash
   * costs. Without it everything is gone with the process, as with C xenstored. */
  readonly stateFile?: string;
  /** Told of what goes wrong while the server runs; default: a process warning. */
  readonly onError?: (error: Error) => void;
}

export interface XenstoreServer extends AsyncDisposable {
  readonly socketPath: string;
  /** Disconnects all clients, removes the socket and finishes the state file. */
  close(): Promise<void>;
}

/** startXenstoreServer(options) resolves when clients can connect. Rejects with
 * XenstoreServerError. */
export async function startXenstoreServer(options: XenstoreServerOptions): Promise<XenstoreServer> {
  const { socketPath, onError = (error) => process.emitWarning(error) } = options;
  const state = await openStateFile(options.stateFile, onError);
  const { store } = state;
  const clients = new Map<Session, ClientConnection>();

  const accept = (socket: Socket): void => {
    const session = openSession(0);
    const touched = new Set<ClientConnection>();
    const client = serveClient(socket, {
      onRequest: (message) => {
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

  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, accept);
  await listenOnSocket(server, socketPath);
  server.on("error", onError);

  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= (async () => {
      const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const client of clients.values()) client.end();
      await stopped;
      await state.close();
    })();
    return closed;
  };
  return { socketPath, close, [Symbol.asyncDispose]: close };
}
