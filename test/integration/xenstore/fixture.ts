// SPDX-License-Identifier: Apache-2.0
// A server and clients in a folder of their own, gone at the end of the test.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  connectXenstore,
  type XenstoreClient,
  type XenstoreConnectOptions,
  type XenstoreWatch,
} from "../../../src/xenstore/index.ts";
import {
  startXenstoreServer,
  type XenstoreServer,
  type XenstoreServerOptions,
} from "../../../src/xenstore/server/index.ts";

export interface Fixture {
  readonly folder: string;
  readonly socketPath: string;
  start(options?: Partial<XenstoreServerOptions>): Promise<XenstoreServer>;
  client(options?: XenstoreConnectOptions): Promise<XenstoreClient>;
}

export async function fixture(t: TestContext): Promise<Fixture> {
  const folder = await mkdtemp(join(tmpdir(), "xenstore-test-"));
  const socketPath = join(folder, "socket");
  const opened: AsyncDisposable[] = [];
  t.after(async () => {
    // Clients first, so that none tries to come back.
    for (const one of opened.reverse()) await one[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    folder,
    socketPath,
    start: async (options = {}) => {
      const server = await startXenstoreServer({ socketPath, ...options });
      opened.push(server);
      return server;
    },
    client: async (options = {}) => {
      const client = await connectXenstore({ socketPath, ...options });
      opened.push(client);
      return client;
    },
  };
}

/** nextEvents(watch, count) takes that many events' paths. */
export async function nextEvents(watch: XenstoreWatch, count: number): Promise<string[]> {
  const paths: string[] = [];
  const iterator = watch[Symbol.asyncIterator]();
  while (paths.length < count) {
    const result = await iterator.next();
    assert.equal(result.done, false, "the watch ended");
    paths.push(result.value.path);
  }
  return paths;
}

/** until(condition) waits for a condition that has no event of its own. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!(await condition())) {
    assert.ok(performance.now() < deadlineMs, "waited 10 s in vain");
    await sleep(2);
  }
}

/** A socket of its own, for what the client would never send. */
export async function rawSocket(t: TestContext, socketPath: string): Promise<Socket> {
  const socket = connect({ path: socketPath });
  t.after(() => socket.destroy());
  // What a test wants to know of an error is that the socket closes.
  socket.on("error", () => undefined);
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  return socket;
}
