// SPDX-License-Identifier: Apache-2.0
// The queue of replies and events for one client. As in C xenstored an event is left out while an
// equal one is queued; here the check does not depend on the length of the queue. Items become
// bytes when they are taken.

import { headerBytes, messageType, writeHeader, type XenstoreMessage } from "../message.ts";

export interface Outbox {
  /** Bytes that wait, with `itemBytes` of memory for each item. */
  readonly queuedBytes: number;
  readonly queuedReplies: number;
  addReply(message: XenstoreMessage): void;
  addEvent(path: string, token: string, mergeable: boolean): void;
  /** take() removes the next frames, up to `batchBytesMax`; undefined when there are none. They are
   * valid until the next take(), of any client. */
  take(): Buffer | undefined;
}

/** Large enough for any frame, and for few system calls. Events are not merged with taken ones. */
const batchBytesMax = 64 * 1024;

/** Memory of one item besides its bytes, about, with its entry in the set of events: a client that
 * does not read has many small items. */
const itemBytes = 200;

/** All clients share the buffer: a batch is written before the next one is taken. */
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
