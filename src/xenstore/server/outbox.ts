// SPDX-License-Identifier: Apache-2.0
// What one client is still to be sent, in order. An event equal to one that is still here is
// left out, as in C xenstored; unlike there, finding that out costs the same however long the
// queue is.

import { encodeMessage, encodeStrings, messageType, type XenstoreMessage } from "../message.ts";

export interface Outbox {
  readonly queuedBytes: number;
  readonly queuedReplies: number;
  addReply(message: XenstoreMessage): void;
  addEvent(path: string, token: string, mergeable: boolean): void;
  /** take() removes the next frames, up to about `batchBytesMax`; undefined when there are none. */
  take(): Buffer | undefined;
}

/** Enough to make the cost of a system call small; merging ends for what was taken. */
const batchBytesMax = 64 * 1024;

interface Item {
  readonly frame: Buffer;
  readonly kind: "reply" | "event";
  /** What to find an equal event by. */
  readonly key: string | undefined;
}

export function createOutbox(): Outbox {
  let items: Item[] = [];
  let queuedBytes = 0;
  let queuedReplies = 0;
  const keys = new Set<string>();

  const add = ({ kind, frame, key }: Item): void => {
    items.push({ kind, frame, key });
    if (kind === "reply") queuedReplies += 1;
    queuedBytes += frame.byteLength;
  };

  return {
    get queuedBytes() {
      return queuedBytes;
    },
    get queuedReplies() {
      return queuedReplies;
    },
    addReply: (message) => {
      add({ kind: "reply", frame: encodeMessage(message), key: undefined });
    },
    addEvent: (path, token, mergeable) => {
      const key = mergeable ? `${path}\0${token}` : undefined;
      if (key !== undefined && keys.has(key)) return;
      if (key !== undefined) keys.add(key);
      const payload = encodeStrings(path, token);
      const message = { type: messageType("WATCH_EVENT"), reqId: 0, txId: 0, payload };
      add({ kind: "event", frame: encodeMessage(message), key });
    },
    take: () => {
      const taken = takeBatch(items);
      if (taken.length === 0) return undefined;
      items = taken.length === items.length ? [] : items.slice(taken.length);
      for (const { kind, key } of taken) {
        if (kind === "reply") queuedReplies -= 1;
        if (key !== undefined) keys.delete(key);
      }
      const [first] = taken;
      const batch =
        taken.length === 1 && first !== undefined
          ? first.frame
          : Buffer.concat(taken.map(({ frame }) => frame));
      queuedBytes -= batch.byteLength;
      return batch;
    },
  };
}

function takeBatch(items: readonly Item[]): readonly Item[] {
  let bytes = 0;
  const end = items.findIndex(({ frame }) => {
    bytes += frame.byteLength;
    return bytes > batchBytesMax;
  });
  return end === -1 ? items : items.slice(0, Math.max(1, end));
}
