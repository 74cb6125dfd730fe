// SPDX-License-Identifier: Apache-2.0
// A wire that is a UNIX socket, and the frames that tidy a server up between two cases.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createDecoder } from "../../../src/xenstore/decoder.ts";
import {
  decodeStrings,
  encodeMessage,
  encodeStrings,
  type MessageName,
  messageName,
  messageType,
  replyBytesMax,
  type XenstoreMessage,
} from "../../../src/xenstore/message.ts";
import type { Wire } from "./wire.ts";

/** openSocket(socketPath) resolves when connected. */
export async function openSocket(socketPath: string): Promise<Wire> {
  const socket = await connected(socketPath);
  const chunks: Buffer[] = [];
  let ended = false;
  let wake = (): void => undefined;
  socket.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    wake();
  });
  // C xenstored drops a client that claims too much with bytes unread: a reset, not an end.
  socket.on("error", () => undefined);
  socket.on("close", () => {
    ended = true;
    wake();
  });
  return {
    send: (bytes) => void socket.write(bytes),
    receive: async () => {
      while (chunks.length === 0 && !ended) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return chunks.length === 0 ? undefined : Buffer.concat(chunks.splice(0));
    },
    close: () => socket.destroy(),
  };
}

/** The backlog of Xen's servers is 1: a connect() may have to be tried again. */
async function connected(socketPath: string): Promise<Socket> {
  for (;;) {
    const socket = connect({ path: socketPath });
    try {
      await once(socket, "connect");
      return socket;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      await new Promise(setImmediate);
    }
  }
}

/** tidy(socketPath, domids) removes all nodes but the server's own, and the domains. */
export async function tidy(socketPath: string, domids: readonly number[]): Promise<void> {
  const wire = await openSocket(socketPath);
  try {
    for (const domid of domids) await ask(wire, "RELEASE", String(domid));
    const root = await ask(wire, "DIRECTORY", "/");
    if (messageName(root.type) !== "DIRECTORY") throw new Error("cannot list /");
    for (const name of decodeStrings(root.payload)) {
      if (name !== "tool" && !name.startsWith("@")) await ask(wire, "RM", `/${name}`);
    }
  } finally {
    wire.close();
  }
}

async function ask(wire: Wire, name: MessageName, text: string): Promise<XenstoreMessage> {
  const decoder = createDecoder(replyBytesMax);
  const payload = encodeStrings(text);
  wire.send(encodeMessage({ type: messageType(name), reqId: 1, txId: 0, payload }));
  for (;;) {
    const bytes = await wire.receive();
    if (bytes === undefined) throw new Error(`no reply to ${name} ${text}`);
    const [reply] = decoder.push(bytes).messages;
    if (reply !== undefined) return reply;
  }
}
