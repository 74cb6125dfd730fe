// SPDX-License-Identifier: Apache-2.0
// A store of our own for one test, on our server or on one of Debian's two, and the daemon's half
// of the contract in a dozen lines.

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Answer,
  announce,
  type LogfileKey,
  libxlRoot,
  listLogfiles,
  parseRequest,
  readRequest,
} from "../../../src/contract/index.ts";
import type { CreateLogfileOptions } from "../../../src/toolstack/index.ts";
import {
  connectXenstore,
  isXenstoreError,
  type XenstoreClient,
} from "../../../src/xenstore/index.ts";
import { startXenstoreServer } from "../../../src/xenstore/server/index.ts";
import { startXenstored, xenstoredParts } from "../../support/xenstored.ts";

const parts = await xenstoredParts();
const skip = parts.found ? false : parts.reason;

export type ServerKind = "embedded" | "c" | "ocaml";

/** The servers that the toolstack has to work with; `skip` says why one is not to be had. */
export const servers: readonly { readonly kind: ServerKind; readonly skip: string | false }[] = [
  { kind: "embedded", skip: false },
  { kind: "c", skip },
  { kind: "ocaml", skip },
];

export interface TestStore extends AsyncDisposable {
  readonly client: XenstoreClient;
  readonly fifoDirectory: string;
  /** Another connection, closed with the store. */
  connect(): Promise<XenstoreClient>;
  readonly socketPath: string;
  /** Ends the server, its store with it. */
  stopServer(): Promise<void>;
  /** Names of the FIFOs that are there. */
  fifos(): Promise<string[]>;
  /** Options that the contract allows, for domain 5. */
  options(change?: Partial<CreateLogfileOptions>): CreateLogfileOptions;
}

export async function startTestStore(kind: ServerKind = "embedded"): Promise<TestStore> {
  const directory = await mkdtemp(join(tmpdir(), "xenlogd-toolstack-"));
  const fifoDirectory = join(directory, "fifo");
  const { server, socketPath } = await startServer(kind, directory);
  const clients: XenstoreClient[] = [];
  const connect = async (): Promise<XenstoreClient> => {
    const connected = await connectXenstore({ socketPath });
    clients.push(connected);
    return connected;
  };
  const client = await connect();
  let stopped: Promise<void> | undefined;
  const stopServer = async (): Promise<void> => {
    stopped ??= Promise.resolve(server[Symbol.asyncDispose]());
    await stopped;
  };
  return {
    client,
    fifoDirectory,
    socketPath,
    connect,
    stopServer,
    fifos: () => readdir(fifoDirectory).catch(() => []),
    options: (change) =>
      ({
        xenstore: client,
        domid: 5,
        name: "demo",
        file: "/var/log/xen/demo-console.log",
        fifoDirectory,
        limitBytes: 65536,
        copies: 3,
        ...change,
      }) as CreateLogfileOptions,
    [Symbol.asyncDispose]: async () => {
      for (const connected of clients) await connected.close();
      await stopServer();
      await rm(directory, { recursive: true });
    },
  };
}

async function startServer(
  kind: ServerKind,
  directory: string,
): Promise<{ readonly server: AsyncDisposable; readonly socketPath: string }> {
  if (kind !== "embedded") {
    if (!parts.found) throw new Error(parts.reason);
    const server = await startXenstored({ kind, dir: join(directory, "store"), parts });
    return { server, socketPath: server.socketPath };
  }
  const socketPath = join(directory, "xenstored.sock");
  return { server: await startXenstoreServer({ socketPath }), socketPath };
}

/** Answers each new request with what `decide` says; `undefined` leaves it unanswered. */
export async function startStandIn(
  client: XenstoreClient,
  decide: (key: LogfileKey, pipe: string) => Answer | undefined = () => ({ state: "ready" }),
): Promise<AsyncDisposable> {
  const watch = await client.watch(libxlRoot);
  const running = (async () => {
    for await (const _event of watch) {
      for (const key of await listLogfiles(client)) {
        const nodes = await client
          .transaction(async (t) => (await readRequest(t, key))?.nodes)
          .catch((error: unknown) => {
            // Removed between two reads.
            if (isXenstoreError(error, "ENOENT")) return undefined;
            throw error;
          });
        if (nodes === undefined || nodes.state !== undefined) continue;
        const parsed = parseRequest(nodes);
        if (parsed.kind !== "request") continue;
        const answer = decide(key, parsed.request.pipe);
        if (answer !== undefined) await announce(client, key, parsed.request.pipe, answer);
      }
    }
  })();
  return {
    [Symbol.asyncDispose]: async () => {
      await watch.close();
      await running;
    },
  };
}

/** All nodes below a path with their values, as xenstore-ls would show them. */
export async function tree(client: XenstoreClient, path: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of (await client.directoryIfExists(path)) ?? []) {
    const child = `${path}/${name}`;
    found[child] = await client.read(child);
    Object.assign(found, await tree(client, child));
  }
  return found;
}
