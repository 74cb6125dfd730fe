// SPDX-License-Identifier: Apache-2.0
// A MODEL of Linux's /dev/xen/xenbus, for machines without Xen: the rules of
// drivers/xen/xenbus/xenbus_dev_frontend.c in front of a xenstored's socket. What the client reads
// is a real descriptor, a FIFO that this side keeps open: polled, O_NONBLOCK, in any pieces, never
// at its end. What it writes goes to a function, since a socket cannot refuse a write with an
// errno. Unlike the kernel it has one connection for each open.

import { closeSync, constants, openSync, writeSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { createDecoder } from "../../src/xenstore/decoder.ts";
import type { DeviceCalls } from "../../src/xenstore/device.ts";
import {
  decodeStrings,
  encodeMessage,
  encodeStrings,
  headerBytes,
  messageType,
  type XenstoreMessage,
} from "../../src/xenstore/message.ts";

export interface XenbusRules {
  /** The kernels of about 4.11 to 4.15 leave anything in the req_id of a reply. */
  readonly clobbersReqId?: boolean;
  /** Old kernels refuse an unknown transaction with ESRCH from write(2). */
  readonly refusesUnknownTransactions?: boolean;
  /** The watch thread is faster than the writer: the first event is read before the `OK`. */
  readonly eventsFirst?: boolean;
  /** How many bytes a read finds, at most. */
  readonly pieceBytes?: number;
}

export interface XenbusDevice {
  readonly calls: DeviceCalls;
  /** Each write(2), in order: its bytes, and whether another one was under way. */
  readonly writes: readonly { readonly bytes: number; readonly overlapped: boolean }[];
  /** How many requests were under way at once, at most. */
  readonly inFlightMax: () => number;
  close(): void;
}

const bufferBytes = 4096;
const numbers = {
  watch: messageType("WATCH"),
  unwatch: messageType("UNWATCH"),
  start: messageType("TRANSACTION_START"),
  end: messageType("TRANSACTION_END"),
  event: messageType("WATCH_EVENT"),
  error: messageType("ERROR"),
};

/** xenbusDevice(socketPath, fifo, rules): `fifo` is an empty one of mode 0600. */
export function xenbusDevice(
  socketPath: string,
  fifo: string,
  rules: XenbusRules = {},
): XenbusDevice {
  const server = connect({ path: socketPath });
  server.on("error", () => undefined);
  const readers = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
  const writes: { bytes: number; overlapped: boolean }[] = [];
  const output = pieces(readers, rules.pieceBytes ?? 4096);
  const file = openFile(server, output.add, rules);
  let writing = 0;
  let inFlightMax = 0;

  return {
    calls: {
      open: (path) => openSync(path, constants.O_RDWR | constants.O_NONBLOCK),
      write: (_fd, frame, done) => {
        writes.push({ bytes: frame.byteLength, overlapped: writing > 0 });
        writing += 1;
        file.write(Buffer.from(frame), (code) => {
          writing -= 1;
          done(code === undefined ? null : Object.assign(new Error(`write: ${code}`), { code }));
        });
        inFlightMax = Math.max(inFlightMax, file.inFlight());
      },
    },
    writes,
    inFlightMax: () => inFlightMax,
    close: () => {
      output.close();
      server.destroy();
      closeSync(readers);
    },
  };
}

type Done = (errno: string | undefined) => void;

interface WatchAdapter {
  readonly path: string;
  readonly token: string;
}

function openFile(server: Socket, queue: (bytes: Buffer) => void, rules: XenbusRules) {
  const decoder = createDecoder(4096);
  /** By the kernel's own req_id. */
  const asked = new Map<number, (reply: XenstoreMessage) => void>();
  const forwarded = new Set<number>();
  /** By the kernel's own token. */
  const watches = new Map<string, WatchAdapter>();
  const transactions = new Set<number>();
  let collected: Buffer = Buffer.alloc(0);
  let lastId = 0;
  let lastReqId = 0;
  const whenEvent: (() => void)[] = [];

  server.on("data", (chunk: Buffer) => {
    for (const message of decoder.push(chunk).messages) {
      if (message.type === numbers.event) fireWatch(message);
      else {
        const reply = asked.get(message.reqId);
        asked.delete(message.reqId);
        reply?.(message);
      }
    }
  });

  const ask = (message: XenstoreMessage, onReply: (reply: XenstoreMessage) => void): void => {
    lastId += 1;
    asked.set(lastId, onReply);
    server.write(encodeMessage({ ...message, reqId: lastId }));
  };

  /** watch_fired: type and len are set; the other two words are what was on the stack. */
  const fireWatch = ({ payload }: XenstoreMessage): void => {
    const [path = "", kernelToken = ""] = decodeStrings(payload);
    const adapter = watches.get(kernelToken);
    if (adapter === undefined) return;
    const event = encodeStrings(path, adapter.token);
    queue(encodeMessage({ type: numbers.event, reqId: lastReqId, txId: 77, payload: event }));
    for (const fired of whenEvent.splice(0)) fired();
  };

  /** xenbus_file_write */
  const write = (bytes: Buffer, done: Done): void => {
    if (bytes.byteLength > bufferBytes - collected.byteLength) {
      refuse("EINVAL", done);
      return;
    }
    collected = Buffer.concat([collected, bytes]);
    if (collected.byteLength < headerBytes) {
      later(done);
      return;
    }
    const claimedBytes = headerBytes + collected.readUInt32LE(12);
    if (claimedBytes > bufferBytes) {
      refuse("E2BIG", done);
      return;
    }
    if (collected.byteLength < claimedBytes) {
      later(done);
      return;
    }
    const [message] = createDecoder(bufferBytes).push(collected.subarray(0, claimedBytes)).messages;
    // Whatever followed is gone.
    collected = Buffer.alloc(0);
    if (message === undefined) throw new Error("no message");
    lastReqId = message.reqId;
    if (message.type === numbers.watch) writeWatch(message, done);
    else if (message.type === numbers.unwatch) writeUnwatch(message, done);
    else writeRequest(message, done);
  };

  const refuse = (errno: string, done: Done): void => {
    collected = Buffer.alloc(0);
    setImmediate(done, errno);
  };

  const madeUp = (message: XenstoreMessage, text: string): void =>
    queue(encodeMessage({ ...message, payload: encodeStrings(text) }));

  /** xenbus_write_watch: waits for the server, within write(2). A third string is not looked at. */
  const writeWatch = (message: XenstoreMessage, done: Done): void => {
    const [path, token] = decodeStrings(message.payload);
    if (path === undefined || token === undefined) {
      refuse("EILSEQ", done);
      return;
    }
    const kernelToken = `kernel-${lastId}`;
    watches.set(kernelToken, { path, token });
    const finish = (): void => {
      madeUp(message, "OK");
      done(undefined);
    };
    ask({ ...message, payload: encodeStrings(path, kernelToken) }, (reply) => {
      if (reply.type === numbers.error) {
        watches.delete(kernelToken);
        refuse(decodeStrings(reply.payload)[0] ?? "EINVAL", done);
      } else if (rules.eventsFirst === true) whenEvent.push(finish);
      else finish();
    });
  };

  const writeUnwatch = (message: XenstoreMessage, done: Done): void => {
    const [path, token] = decodeStrings(message.payload);
    const found = [...watches].find(([, one]) => one.path === path && one.token === token);
    const finish = (): void => {
      madeUp(message, "OK");
      done(undefined);
    };
    if (found === undefined) {
      finish();
      return;
    }
    watches.delete(found[0]);
    ask({ ...message, payload: encodeStrings(found[1].path, found[0]) }, finish);
  };

  /** xenbus_write_transaction and all other requests: write(2) does not wait for the reply. */
  const writeRequest = (message: XenstoreMessage, done: Done): void => {
    const { txId, reqId } = message;
    if (txId !== 0 && !transactions.has(txId)) {
      if (rules.refusesUnknownTransactions === true) {
        refuse("ESRCH", done);
        return;
      }
      madeUp({ ...message, type: numbers.error }, "ENOENT");
      later(done);
      return;
    }
    forwarded.add(reqId);
    ask(message, (reply) => {
      forwarded.delete(reqId);
      const isError = reply.type === numbers.error;
      if (message.type === numbers.start && !isError) {
        transactions.add(Number(decodeStrings(reply.payload)[0]));
      }
      if (message.type === numbers.end) transactions.delete(txId);
      const shown = rules.clobbersReqId === true ? 0xdeadbeef : reqId;
      queue(encodeMessage({ ...reply, reqId: shown }));
    });
    later(done);
  };

  return { write, inFlight: () => forwarded.size };
}

function later(done: Done): void {
  setImmediate(done, undefined);
}

/** What is written into the FIFO, a piece each turn of the event loop. */
function pieces(fd: number, pieceBytes: number) {
  let waiting: Buffer = Buffer.alloc(0);
  let turn: NodeJS.Immediate | undefined;
  const next = (): void => {
    writeSync(fd, waiting.subarray(0, pieceBytes));
    waiting = waiting.subarray(pieceBytes);
    turn = waiting.byteLength > 0 ? setImmediate(next) : undefined;
  };
  return {
    add: (bytes: Buffer): void => {
      waiting = Buffer.concat([waiting, bytes]);
      turn ??= setImmediate(next);
    },
    close: (): void => clearImmediate(turn),
  };
}
