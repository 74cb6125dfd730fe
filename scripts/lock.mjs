// SPDX-License-Identifier: Apache-2.0
//
// One holder a name and checkout, on this machine (network namespace). The lock is a listening
// abstract UNIX socket: the kernel frees it with the last descriptor, so a killed holder leaves no
// stale lock, and its end wakes the waiters. Works on Node 20.19, before `npm ci`.

import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { connect, createServer } from "node:net";

/**
 * Runs `work` while it holds the lock `name` of this checkout; `onWait` is called once if another
 * process holds it. `work` gets the lock's descriptor: a child that inherits it keeps the lock when
 * its parent is killed, until it ends itself.
 */
export async function withLock(root, name, onWait, work) {
  const id = createHash("sha256")
    .update(`${realpathSync(root)}\n${name}`)
    .digest("hex");
  const address = `\0xenlogd-${id.slice(0, 32)}`;
  const waiters = new Set();
  let server = await tryListen(address, waiters);
  if (server === undefined) {
    onWait();
  }
  while (server === undefined) {
    await holderGone(address);
    server = await tryListen(address, waiters);
  }
  try {
    // Node has no public name for a server's descriptor; without it only the inheritance is lost.
    return await work(server._handle?.fd ?? -1);
  } finally {
    server.close();
    for (const waiter of waiters) {
      waiter.destroy();
    }
  }
}

function tryListen(address, waiters) {
  return new Promise((resolve, reject) => {
    // Only waiters connect; the connection stays open and carries no data.
    const server = createServer((socket) => {
      waiters.add(socket.unref());
      socket.on("error", () => undefined).on("close", () => waiters.delete(socket));
      socket.resume();
    });
    server.on("error", (error) => {
      if (error.code === "EADDRINUSE") {
        resolve(undefined);
      } else {
        reject(error);
      }
    });
    server.listen(address, () => resolve(server));
  });
}

/** Resolves when the holder may be gone: the connection to it broke, or could not be made. */
function holderGone(address) {
  return new Promise((resolve) => {
    const socket = connect(address);
    // A full backlog answers EAGAIN: the pause keeps many waiters from spinning.
    const done = () => setTimeout(resolve, 50);
    socket.on("error", () => undefined);
    socket.on("close", done);
    socket.resume();
  });
}
