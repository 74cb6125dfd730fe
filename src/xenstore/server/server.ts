// SPDX-License-Identifier: Apache-2.0
// An xenstored in this process: one store, one socket. Every client of the socket is dom0, as with
// Xen's own servers: access to the socket is access to everything. A domain may have a socket of
// its own instead of its ring.

import { createServer, type Server, type Socket } from "node:net";
import { Clients } from "./clients.ts";
import { listenOnSocket } from "./socket-file.ts";
import { openStateFile, type StateFile } from "./state-file.ts";
import { domainExists } from "./store.ts";

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
  const servers: Server[] = [];
  const listen = async (path: string, onConnection: (socket: Socket) => void): Promise<void> => {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, onConnection);
    await listenOnSocket(server, path);
    server.on("error", onError);
    servers.push(server);
  };
  // First: the state file is that of another server if this fails. No event comes before `clients` is there.
  await listen(socketPath, (socket) => clients.accept(socket, 0));
  const state = openStateFileOf(options.stateFile, onError, servers);
  const { store } = state;
  const clients = new Clients(state);

  const serveDomain = (domid: number, path: string): Promise<void> =>
    listen(path, (socket) => {
      if (!domainExists(store, domid)) {
        socket.destroy();
        return;
      }
      clients.endOf(domid);
      clients.accept(socket, domid);
    });

  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= (async () => {
      const stopped = servers.map(
        (server) => new Promise<void>((resolve) => server.close(() => resolve())),
      );
      clients.endAll();
      await Promise.all(stopped);
      await state.close();
    })();
    return closed;
  };
  return { socketPath, serveDomain, close, [Symbol.asyncDispose]: close };
}

function openStateFileOf(
  path: string | undefined,
  onError: (error: Error) => void,
  servers: readonly Server[],
): StateFile {
  try {
    return openStateFile(path, onError);
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
}
