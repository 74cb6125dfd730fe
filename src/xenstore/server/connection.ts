// SPDX-License-Identifier: Apache-2.0
// One client's socket. The server stops reading from a client that does not read, so its replies
// stay within `pauseBytes`; events may queue up to `queueBytesMax`, then the client is
// disconnected. Other clients never wait for it.

import type { Socket } from "node:net";
import { createDecoder } from "../decoder.ts";
import { payloadBytesMax, type XenstoreMessage } from "../message.ts";
import { createOutbox } from "./outbox.ts";
import { openSocketIo } from "./socket-io.ts";
import { openConversation } from "./spin.ts";

/** Above this much unsent, no further request of the client is handled. */
const pauseBytes = 256 * 1024;

/** Room for one event for each of some fifty thousand nodes; equal ones are merged. */
const queueBytesMax = 16 * 1024 * 1024;

export interface ClientConnection {
  sendReply(message: XenstoreMessage): void;
  sendEvent(path: string, token: string, mergeable: boolean): void;
  /** flush() writes what was queued, as far as the client reads. */
  flush(): void;
  end(): void;
}

export interface ClientHandlers {
  /** How many replies may wait before the server stops reading from the client. */
  repliesMax(): number;
  /** Handles a request; onIdle flushes what it sends to any client. */
  onRequest(message: XenstoreMessage): void;
  /** Called after a batch of requests. */
  onIdle(): void;
  onClosed(): void;
}

export function serveClient(accepted: Socket, handlers: ClientHandlers): ClientConnection {
  const decoder = createDecoder(payloadBytesMax);
  const outbox = createOutbox();
  const conversation = openConversation();
  let inbox: readonly XenstoreMessage[] = [];
  /** What to do once all is handled and sent: nothing, or close. */
  let after: "stay" | "close" = "stay";

  /** Whether the client has to read before its next request is handled. */
  const isBehind = (): boolean =>
    outbox.queuedBytes > pauseBytes || outbox.queuedReplies >= handlers.repliesMax();

  const handleInbox = (): void => {
    let handled = 0;
    for (const message of inbox) {
      if (isBehind()) break;
      handlers.onRequest(message);
      handled += 1;
    }
    inbox = handled === inbox.length ? [] : inbox.slice(handled);
    handlers.onIdle();
  };

  const flush = (): void => {
    if (outbox.queuedBytes > queueBytesMax) {
      socket.destroy();
      return;
    }
    if (socket.destroyed || socket.writableLength > 0) return;
    for (let batch = outbox.take(); batch !== undefined; batch = outbox.take()) {
      const writtenBytes = io.write(batch);
      if (writtenBytes === batch.byteLength) continue;
      socket.write(Buffer.from(batch.subarray(writtenBytes)), proceed);
      return;
    }
    if (inbox.length === 0 && after === "close") socket.destroySoon();
  };

  /** Handles what can be handled; the rest waits for the client to read. */
  const work = (): void => {
    do {
      handleInbox();
      flush();
    } while (inbox.length > 0 && socket.writableLength === 0 && !socket.destroyed);
  };

  /** Called when a batch has left: goes on with the requests that waited for it. */
  function proceed(): void {
    flush();
    if (inbox.length === 0 || isBehind()) return;
    work();
    if (inbox.length === 0 && after === "stay") socket.resume();
  }

  const io = openSocketIo(accepted, (bytes, byteCount) => {
    const { messages, fault } = decoder.push(bytes, byteCount);
    inbox = inbox.length === 0 ? messages : [...inbox, ...messages];
    // As C xenstored does: after a length that is too large the boundaries of messages are unknown.
    if (fault !== undefined) after = "close";
    if (messages.length > 0) conversation.asked();
    work();
    if (messages.length > 0) conversation.answered();
    if (inbox.length > 0 || fault !== undefined) socket.pause();
  });
  const { socket } = io;
  // A client may shut down its sending side and still wait for replies.
  socket.on("end", () => {
    after = "close";
    flush();
  });
  // Ignore the error: "close" follows, and the reason changes nothing.
  socket.on("error", () => undefined);
  socket.on("close", handlers.onClosed);

  return {
    sendReply: outbox.addReply,
    sendEvent: outbox.addEvent,
    flush,
    end: () => socket.destroy(),
  };
}
