// SPDX-License-Identifier: Apache-2.0
// The transport over /dev/xen/xenbus (Linux, drivers/xen/xenbus/xenbus_dev_frontend.c). One message
// a write and one request under way: the driver drops what follows a message in the same write, and
// some kernels overwrite the req_id of replies. Reading is polled; only a write may wait, and it
// does so on one thread of libuv's pool, for as long as the server needs for a WATCH.

import { close, constants, openSync, readSync, write } from "node:fs";
import type { watchReadable } from "../kernel/index.ts";
import { createDecoder } from "./decoder.ts";
import { type WireErrorCode, wireErrorCodes, XenstoreError } from "./errors.ts";
import {
  encodeMessage,
  encodeStrings,
  headerBytes,
  messageType,
  replyBytesMax,
  type XenstoreMessage,
} from "./message.ts";
import type { OpenTransport, Transport, TransportHandlers } from "./transport.ts";

/** The system calls that reach the driver; tests replace them by a model. */
export interface DeviceCalls {
  /** A descriptor that is polled and read, O_NONBLOCK. */
  open(path: string): number;
  write(fd: number, frame: Uint8Array, done: (error: NodeJS.ErrnoException | null) => void): void;
}

/** The driver's buffer holds header and payload together. */
const frameBytesMax = 4096;

/** One read may return many messages: the driver returns what it has. */
const readBytesMax = 64 * 1024;

const eventType = messageType("WATCH_EVENT");

/** deviceTransport(path) opens the device; rejects with EPERM if the path cannot be polled. */
export function deviceTransport(path: string, calls: DeviceCalls = systemCalls): OpenTransport {
  return async (handlers) => {
    // Imported here, so that users of the socket do not load koffi.
    const kernel = await import("../kernel/index.ts");
    const fd = calls.open(path);
    try {
      kernel.requirePollable(fd);
    } catch (error) {
      close(fd, ignore);
      throw error;
    }
    return attach({ fd, path, calls, watch: kernel.watchReadable }, handlers);
  };
}

const systemCalls: DeviceCalls = {
  open: (path) => openSync(path, constants.O_RDWR | constants.O_NONBLOCK),
  write: (fd, frame, done) => {
    write(fd, frame, 0, frame.byteLength, null, (error, writtenBytes) => {
      const short = `the driver took ${writtenBytes} of ${frame.byteLength} bytes`;
      done(error ?? (writtenBytes === frame.byteLength ? null : new Error(short)));
    });
  },
};

interface Device {
  readonly fd: number;
  readonly path: string;
  readonly calls: DeviceCalls;
  readonly watch: typeof watchReadable;
}

function attach(device: Device, handlers: TransportHandlers): Transport {
  const { fd, path, calls } = device;
  const decoder = createDecoder(replyBytesMax);
  const buffer = Buffer.allocUnsafe(readBytesMax);
  /** The request whose reply is awaited. */
  let asked: XenstoreMessage | undefined;
  /** The next request, if the reply was read before write(2) returned. */
  let next: XenstoreMessage | undefined;
  let writing = false;
  let ended = false;
  const readiness = device.watch(fd, receive);
  return {
    inFlightMax: 1,
    payloadBytesMax: frameBytesMax - headerBytes,
    send: (message) => {
      if (ended) return;
      if (writing) next = message;
      else ask(message);
    },
    end,
  };

  function ask(message: XenstoreMessage): void {
    asked = message;
    writing = true;
    calls.write(fd, encodeMessage(message), (error) => {
      writing = false;
      if (ended) {
        close(fd, ignore);
        return;
      }
      if (error !== null) refuse(message, error);
      const following = next;
      next = undefined;
      if (following !== undefined && !ended) ask(following);
    });
  }

  /** The driver reports a failed WATCH as an errno of write(2) and sends no reply. */
  function refuse(message: XenstoreMessage, error: NodeJS.ErrnoException): void {
    const code = refusalOf(error);
    if (code === undefined || asked !== message) {
      lose(error);
      return;
    }
    const { reqId, txId } = message;
    asked = undefined;
    const payload = encodeStrings(code);
    handlers.onMessage({ type: messageType("ERROR"), reqId, txId, payload });
  }

  function receive(): void {
    const bytes = readOnce();
    if (bytes === undefined) return;
    const { messages, fault } = decoder.push(bytes);
    for (const message of messages) {
      if (ended) return;
      handlers.onMessage(message.type === eventType ? message : asReply(message));
    }
    if (fault === undefined) return;
    const claim = `${fault.claimedBytes} bytes, above ${fault.payloadBytesMax}`;
    lose(new XenstoreError("PROTOCOL", `cannot take a message that claims ${claim}`));
  }

  function readOnce(): Uint8Array | undefined {
    try {
      const count = readSync(fd, buffer);
      if (count > 0) return buffer.subarray(0, count);
      lose(new Error(`${path} has ended`));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EAGAIN" && code !== "EINTR") lose(error as Error);
    }
    return undefined;
  }

  /** Only one request is under way, so this is its reply, even if the kernel changed the req_id. */
  function asReply(message: XenstoreMessage): XenstoreMessage {
    if (asked === undefined) return message;
    const { reqId, txId } = asked;
    asked = undefined;
    return { ...message, reqId, txId };
  }

  function lose(cause: Error): void {
    if (ended) return;
    end();
    handlers.onLost(cause);
  }

  function end(): void {
    if (ended) return;
    ended = true;
    readiness.close();
    // A write under way closes the descriptor when it returns: its number could be reused before.
    if (!writing) close(fd, ignore);
  }
}

/** The wire error of an errno. Old kernels return ESRCH for an unknown transaction. */
function refusalOf(error: NodeJS.ErrnoException): WireErrorCode | undefined {
  if (error.code === "ESRCH") return "ENOENT";
  return wireErrorCodes.find((code) => code === error.code);
}

/** Nothing can be done about a close that fails. */
function ignore(): void {}
