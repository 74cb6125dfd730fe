// SPDX-License-Identifier: Apache-2.0
// A wire that is a guest's ring (xs_wire.h, struct xenstore_domain_interface): the page that
// xsshim.c gives the server is a file, and what is written to a file is seen in its mapping.

import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Wire } from "./wire.ts";

const ringBytes = 1024;
const at = { request: 0, reply: 1024, requestTaken: 2048, requestPut: 2052 } as const;
const replyTaken = 2056;
const replyPut = 2060;
const pollMs = 1;

/** openGuest(folder, domid, port) talks over `ring-DOMID`; `port` is that of its INTRODUCE. */
export function openGuest(folder: string, domid: number, port: number): Wire {
  const page = openSync(join(folder, `ring-${domid}`), constants.O_RDWR);
  const events = openSync(join(folder, "events"), constants.O_RDWR | constants.O_NONBLOCK);
  let waiting: Uint8Array = new Uint8Array(0);
  let open = true;

  const word = (offset: number): number => {
    const bytes = Buffer.alloc(4);
    readSync(page, bytes, 0, 4, offset);
    return bytes.readUInt32LE();
  };
  const setWord = (offset: number, value: number): void => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value >>> 0);
    writeSync(page, bytes, 0, 4, offset);
  };
  const kick = (): void => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(port);
    writeSync(events, bytes);
  };
  /** Puts in what there is room for. */
  const put = (): void => {
    const start = word(at.requestPut);
    const roomBytes = ringBytes - ((start - word(at.requestTaken)) >>> 0);
    const bytes = waiting.subarray(0, roomBytes);
    for (let done = 0; done < bytes.byteLength; ) {
      const position = (start + done) % ringBytes;
      const piece = bytes.subarray(done, done + ringBytes - position);
      writeSync(page, piece, 0, piece.byteLength, at.request + position);
      done += piece.byteLength;
    }
    if (bytes.byteLength === 0) return;
    waiting = waiting.subarray(bytes.byteLength);
    setWord(at.requestPut, start + bytes.byteLength);
    kick();
  };
  const take = (): Buffer => {
    const start = word(replyTaken);
    const countBytes = (word(replyPut) - start) >>> 0;
    const bytes = Buffer.alloc(countBytes);
    for (let done = 0; done < countBytes; ) {
      const position = (start + done) % ringBytes;
      const pieceBytes = Math.min(countBytes - done, ringBytes - position);
      readSync(page, bytes, done, pieceBytes, at.reply + position);
      done += pieceBytes;
    }
    if (countBytes > 0) {
      setWord(replyTaken, start + countBytes);
      kick();
    }
    return bytes;
  };

  return {
    send: (bytes) => {
      waiting = Buffer.concat([waiting, bytes]);
      put();
    },
    receive: async () => {
      while (open) {
        put();
        const bytes = take();
        if (bytes.byteLength > 0) return bytes;
        await sleep(pollMs);
      }
      return undefined;
    },
    close: () => {
      if (!open) return;
      open = false;
      closeSync(page);
      closeSync(events);
    },
  };
}
