// SPDX-License-Identifier: Apache-2.0
// One client's socket. The server stops reading from a client that does not read, so its replies
// stay within `pauseBytes`; events may queue up to `queueBytesMax`, then the client is
// disconnected. Other clients never wait for it.

import type { Socket } from "node:net";
import { createDecoder } from "../decoder.ts";
import { payloadBytesMax, type XenstoreMessage } from "../message.ts";
import { createOutbox, type Outbox } from "./outbox.ts";
import { openSocketIo, type SocketIo } from "./socket-io.ts";
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
  return new SocketClient(accepted, handlers);
}

class SocketClient implements ClientConnection {
  readonly sendReply: Outbox["addReply"];
  readonly sendEvent: Outbox["addEvent"];
  readonly #handlers: ClientHandlers;
  readonly #decoder = createDecoder(payloadBytesMax);
  readonly #outbox = createOutbox();
  readonly #conversation = openConversation();
  readonly #io: SocketIo;
  readonly #socket: Socket;
  #inbox: readonly XenstoreMessage[] = [];
  /** What to do once all is handled and sent: nothing, or close. */
  #after: "stay" | "close" = "stay";

  constructor(accepted: Socket, handlers: ClientHandlers) {
    this.#handlers = handlers;
    this.sendReply = this.#outbox.addReply;
    this.sendEvent = this.#outbox.addEvent;
    this.#io = openSocketIo(accepted, (bytes, byteCount) => this.#receive(bytes, byteCount));
    this.#socket = this.#io.socket;
    // A client may shut down its sending side and still wait for replies.
    this.#socket.on("end", () => {
      this.#after = "close";
      this.flush();
    });
    // Ignore the error: "close" follows, and the reason changes nothing.
    this.#socket.on("error", () => undefined);
    this.#socket.on("close", handlers.onClosed);
  }

  #receive(bytes: Uint8Array, byteCount: number): void {
    const { messages, fault } = this.#decoder.push(bytes, byteCount);
    this.#inbox = this.#inbox.length === 0 ? messages : [...this.#inbox, ...messages];
    // As C xenstored does: after a length that is too large the boundaries of messages are unknown.
    if (fault !== undefined) this.#after = "close";
    if (messages.length > 0) this.#conversation.asked();
    this.#work();
    if (messages.length > 0) this.#conversation.answered();
    if (this.#inbox.length > 0 || fault !== undefined) this.#socket.pause();
  }

  /** Whether the client has to read before its next request is handled. */
  #isBehind(): boolean {
    const { queuedBytes, queuedReplies } = this.#outbox;
    return queuedBytes > pauseBytes || queuedReplies >= this.#handlers.repliesMax();
  }

  #handleInbox(): void {
    let handled = 0;
    for (const message of this.#inbox) {
      if (this.#isBehind()) break;
      this.#handlers.onRequest(message);
      handled += 1;
    }
    this.#inbox = handled === this.#inbox.length ? [] : this.#inbox.slice(handled);
    this.#handlers.onIdle();
  }

  flush(): void {
    const socket = this.#socket;
    if (this.#outbox.queuedBytes > queueBytesMax) {
      socket.destroy();
      return;
    }
    if (socket.destroyed || socket.writableLength > 0) return;
    for (let batch = this.#outbox.take(); batch !== undefined; batch = this.#outbox.take()) {
      const writtenBytes = this.#io.write(batch);
      if (writtenBytes === batch.byteLength) continue;
      socket.write(Buffer.from(batch.subarray(writtenBytes)), this.#proceed);
      return;
    }
    if (this.#inbox.length === 0 && this.#after === "close") socket.destroySoon();
  }

  /** Handles what can be handled; the rest waits for the client to read. */
  #work(): void {
    const socket = this.#socket;
    do {
      this.#handleInbox();
      this.flush();
    } while (this.#inbox.length > 0 && socket.writableLength === 0 && !socket.destroyed);
  }

  /** Called when a batch has left: goes on with the requests that waited for it. */
  readonly #proceed = (): void => {
    this.flush();
    if (this.#inbox.length === 0 || this.#isBehind()) return;
    this.#work();
    if (this.#inbox.length === 0 && this.#after === "stay") this.#socket.resume();
  };

  end(): void {
    this.#socket.destroy();
  }
}
