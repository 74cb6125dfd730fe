// SPDX-License-Identifier: Apache-2.0
// What one client is still to be sent, in order. An event equal to one that is still here is
// left out, as in C xenstored; unlike there, finding that out costs the same however long the
// queue is. What waits becomes bytes only when it leaves.

import { headerBytes, messageType, writeHeader, type XenstoreMessage } from "../message.ts";

export interface Outbox {
  /** What waits, with what it takes in memory besides its bytes. */
  readonly queuedBytes: number;
  readonly queuedReplies: number;
  addReply(message: XenstoreMessage): void;
  addEvent(path: string, token: string, mergeable: boolean): void;
  /** take() removes the next frames, up to `batchBytesMax`; undefined when there are none. They
   * are good until take() is called again, for whichever client. */
  take(): Buffer | undefined;
}

/** Enough to make the cost of a system call small, and for any one frame; merging ends for what
 * was taken. */
const batchBytesMax = 64 * 1024;

/** About what one item takes beside its bytes, its place in the set of events included: a client
 * that does not read would have many small ones. */
const itemBytes = 200;

/** A batch is written before the next one is taken: all clients share the place. */
const batchBuffer = Buffer.allocUnsafe(batchBytesMax);

type Item = {
  readonly frameBytes: number;
} & (
  | { readonly kind: "reply"; readonly message: XenstoreMessage }
  | { readonly kind: "event"; readonly strings: string; readonly mergeable: boolean }
);

const eventHeader = { type: messageType("WATCH_EVENT"), reqId: 0, txId: 0 };

export function createOutbox(): Outbox {
  let items: Item[] = [];
  let queuedBytes = 0;
  let queuedReplies = 0;
  /** The payloads of the events that others may be merged into. */
  const mergeable = new Set<string>();

  return {
    get queuedBytes() {
      return queuedBytes;
    },
    get queuedReplies() {
      return queuedReplies;
    },
    addReply: (message) => {
      const frameBytes = headerBytes + message.payload.byteLength;
      items.push({ kind: "reply", frameBytes, message });
      queuedReplies += 1;
      queuedBytes += frameBytes + itemBytes;
    },
    addEvent: (path, token, isMergeable) => {
      const strings = `${path}\0${token}\0`;
      if (isMergeable && mergeable.has(strings)) return;
      if (isMergeable) mergeable.add(strings);
      const frameBytes = headerBytes + Buffer.byteLength(strings);
      items.push({ kind: "event", frameBytes, strings, mergeable: isMergeable });
      queuedBytes += frameBytes + itemBytes;
    },
    take: () => {
      let bytes = 0;
      let taken = 0;
      for (const item of items) {
        if (bytes + item.frameBytes > batchBytesMax) break;
        writeItem(item, bytes);
        bytes += item.frameBytes;
        taken += 1;
        if (item.kind === "reply") queuedReplies -= 1;
        else if (item.mergeable) mergeable.delete(item.strings);
      }
      if (taken === 0) return undefined;
      items = taken === items.length ? [] : items.slice(taken);
      queuedBytes -= bytes + taken * itemBytes;
      return batchBuffer.subarray(0, bytes);
    },
  };
}

function writeItem(item: Item, offset: number): void {
  const payloadBytes = item.frameBytes - headerBytes;
  if (item.kind === "reply") {
    writeHeader(batchBuffer, offset, item.message, payloadBytes);
    batchBuffer.set(item.message.payload, offset + headerBytes);
  } else {
    writeHeader(batchBuffer, offset, eventHeader, payloadBytes);
    batchBuffer.write(item.strings, offset + headerBytes);
  }
}
