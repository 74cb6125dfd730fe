// SPDX-License-Identifier: Apache-2.0
// The transport over xenstored's UNIX stream socket. Requests of one turn of the event loop
// leave in one write.

import { connect, type Socket } from "node:net";
import { createDecoder } from "./decoder.ts";
import { XenstoreError } from "./errors.ts";
import { encodeMessage, payloadBytesMax, replyBytesMax } from "./message.ts";
import type { OpenTransport, Transport, TransportHandlers } from "./transport.ts";

/** Both of Xen's servers answered 300 pipelined requests (4.17, observed); fewer in flight keep
 * one busy client from filling the server's buffers. */
const inFlightMax = 256;

/** socketTransport(socketPath) opens connections to that socket. */
export function socketTransport(socketPath: string): OpenTransport {
  return async (handlers) => {
    const socket = await connected(socketPath);
    return attach(socket, socketPath, handlers);
  };
}

function connected(socketPath: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: socketPath });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

function attach(socket: Socket, socketPath: string, handlers: TransportHandlers): Transport {
  const decoder = createDecoder(replyBytesMax);
  let ended = false;
  let failure: Error | undefined;
  let unsent: Uint8Array[] = [];

  socket.on("data", (chunk) => {
    const { messages, fault } = decoder.push(chunk);
    for (const message of messages) {
      if (!ended) handlers.onMessage(message);
    }
    if (fault === undefined) return;
    const claim = `${fault.claimedBytes} bytes, above ${fault.payloadBytesMax}`;
    socket.destroy(new XenstoreError("PROTOCOL", `cannot take a message that claims ${claim}`));
  });
  socket.on("error", (error) => {
    failure = error;
  });
  socket.on("close", () => {
    if (ended) return;
    ended = true;
    handlers.onLost(failure ?? new Error(`${socketPath} was closed by the server`));
  });

  // One buffer: a writev(2) of many small ones takes longer.
  const flush = (): void => {
    const messages = unsent;
    unsent = [];
    if (!ended) socket.write(Buffer.concat(messages));
  };

  return {
    inFlightMax,
    payloadBytesMax,
    send: (message) => {
      if (ended) return;
      if (unsent.length === 0) process.nextTick(flush);
      unsent.push(encodeMessage(message));
    },
    end: () => {
      ended = true;
      // Not destroySoon: bytes that a hanging server does not read would keep the process alive.
      socket.destroy();
    },
  };
}
