// SPDX-License-Identifier: Apache-2.0
// Makes the listening socket, for the owner only. Replaces the socket that a killed server left
// behind, but never one that a server answers on, and never a file that is no socket.

import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import type { Server } from "node:net";
import { isMainThread } from "node:worker_threads";
import { probeSocket, reasonOf } from "../../program/portable/index.ts";
import { XenstoreServerError } from "./errors.ts";

/** Xen's servers have a backlog of 1, and a burst of clients gets EAGAIN from connect(). */
const backlog = 511;

/** sun_path of sockaddr_un, without its NUL. */
const socketPathBytesMax = 107;

const ownerOnly = 0o600;

/** listenOnSocket(server, socketPath) rejects with IN_USE or LISTEN_FAILED. */
export async function listenOnSocket(server: Server, socketPath: string): Promise<void> {
  if (Buffer.byteLength(socketPath) > socketPathBytesMax) {
    throw failed(socketPath, `its path is longer than ${socketPathBytesMax} bytes`);
  }
  try {
    await listen(server, socketPath);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw failed(socketPath, error);
    await removeStale(socketPath);
    await listen(server, socketPath).catch((again: unknown) => {
      throw failed(socketPath, again);
    });
  }
}

function listen(server: Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", () => {
      server.off("error", reject);
      resolve();
    });
    // No other user may connect between bind and chmod. Node binds before listen() returns, so the
    // umask is 077 only until then; files and folders that another thread makes meanwhile stay
    // usable to their owner. A worker cannot set the umask: there only chmod protects the socket.
    const umask = isMainThread ? process.umask(0o077) : undefined;
    try {
      server.listen({ path: socketPath, backlog });
      if (server.listening) chmodSync(socketPath, ownerOnly);
    } finally {
      if (umask !== undefined) process.umask(umask);
    }
  });
}

async function removeStale(socketPath: string): Promise<void> {
  const inUse = (reason: string): XenstoreServerError =>
    new XenstoreServerError("IN_USE", `cannot listen on ${socketPath}: ${reason}`);
  // A plain file refuses connections too.
  const found = lstatSync(socketPath, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw inUse("it is there and is no socket");
  const state = await probeSocket(socketPath);
  if (state === "answers" || state === "silent") throw inUse("another server answers there");
  try {
    unlinkSync(socketPath);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw failed(socketPath, error);
  }
}

function failed(socketPath: string, reason: unknown): XenstoreServerError {
  const message = `cannot listen on ${socketPath}: ${reasonOf(reason)}`;
  return new XenstoreServerError("LISTEN_FAILED", message, reason);
}
