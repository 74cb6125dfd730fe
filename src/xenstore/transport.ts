// SPDX-License-Identifier: Apache-2.0
// What the client needs of a transport (socket or device), which encodes and decodes by itself. It
// always reads what the server sends, so that the server does not have to queue.

import type { XenstoreMessage } from "./message.ts";

export interface Transport {
  /** How many requests may be sent before the first reply. */
  readonly inFlightMax: number;
  /** Longest payload that `send` accepts. */
  readonly payloadBytesMax: number;
  send(message: XenstoreMessage): void;
  /** Ends the transport at once, and `onLost` is not called. Await the replies first, or requests
   * may not arrive. */
  end(): void;
}

export interface TransportHandlers {
  onMessage(message: XenstoreMessage): void;
  /** Called at most once; no message follows. */
  onLost(cause: Error): void;
}

/** Connects to the server; rejects with a NodeJS.ErrnoException or XenstoreError. */
export type OpenTransport = (handlers: TransportHandlers) => Promise<Transport>;
