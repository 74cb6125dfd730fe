// SPDX-License-Identifier: Apache-2.0
// What the client needs of a way to a server. The bytes, their framing and their chunks are the
// transport's own; it always takes what the server sends, so that no server queues for us.

import type { XenstoreMessage } from "./message.ts";

export interface Transport {
  /** How many requests the server may be given before the first reply. */
  readonly inFlightMax: number;
  /** Longest payload `send` may be given. */
  readonly payloadBytesMax: number;
  send(message: XenstoreMessage): void;
  /** Ends the way at once: who wants what was sent to arrive awaits the replies. `onLost` is not
   * called any more. */
  end(): void;
}

export interface TransportHandlers {
  onMessage(message: XenstoreMessage): void;
  /** Called at most once; no message follows. */
  onLost(cause: Error): void;
}

/** Opens a way to the server; rejects with a NodeJS.ErrnoException or XenstoreError. */
export type OpenTransport = (handlers: TransportHandlers) => Promise<Transport>;
