// SPDX-License-Identifier: Apache-2.0
// Serves the control API on a UNIX socket that only our own user can open. Replaces a socket file that
// is there: the caller holds the lock of the directory, so no other daemon serves it.

import { unlinkSync } from "node:fs";
import type { Server } from "node:http";
import type { ControlSource } from "./api/index.ts";

/** Longer than any header our client sends; keeps a stranger from filling our memory. */
const headerBytesMax = 8 * 1024;
/** A client that connects and sends nothing must not hold a connection. */
const requestMsMax = 10_000;
/** One a `run`, which waits for its stream's end, and a few beside it. */
const connectionsMax = 4096;
/** Read and write for the owner only. */
const socketUmask = 0o177;

export interface ControlServer extends AsyncDisposable {
  readonly socketPath: string;
}

export interface ControlServerOptions {
  readonly socketPath: string;
  readonly source: ControlSource;
}

/** Resolves when the socket can be connected to. Disposing it ends the long polls and the socket. */
export async function startControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const { socketPath, source } = options;
  // Imported here, so that the command line starts without an HTTP framework.
  const [{ createAdaptorServer }, { controlRoutes }] = await Promise.all([
    import("@hono/node-server"),
    import("./routes/index.ts"),
  ]);
  const closing = new AbortController();
  const server = createAdaptorServer({
    fetch: controlRoutes(source, closing.signal).fetch,
    overrideGlobalObjects: false,
    serverOptions: {
      maxHeaderSize: headerBytesMax,
      headersTimeout: requestMsMax,
      requestTimeout: requestMsMax,
    },
  }) as Server;
  server.maxConnections = connectionsMax;
  await listen(server, socketPath);
  return {
    socketPath,
    [Symbol.asyncDispose]: () => {
      closing.abort();
      return close(server);
    },
  };
}

/** A socket that a killed daemon left behind. */
function removeStale(socketPath: string): void {
  try {
    unlinkSync(socketPath);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function listen(server: Server, socketPath: string): Promise<void> {
  removeStale(socketPath);
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // bind(2) happens inside this call, so that the socket is never there with a wider mode.
    const umask = process.umask(socketUmask);
    try {
      server.listen({ path: socketPath }, () => {
        server.off("error", reject);
        resolve();
      });
    } finally {
      process.umask(umask);
    }
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
    // Long polls were answered a moment ago; a client that has not read its answer then never will.
    setTimeout(() => server.closeAllConnections(), 200).unref();
  });
}
