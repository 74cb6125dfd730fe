// SPDX-License-Identifier: Apache-2.0
// The transport over /dev/xen/xenbus (Linux, drivers/xen/xenbus/xenbus_dev_frontend.c). One message
// a write and one request under way: the driver drops what follows a message in the same write, and
// some kernels overwrite the req_id of replies. Reading is polled; only a write may wait, and it
// does so on one thread of libuv's pool, for as long as the server needs for a WATCH.

import { close, constants, openSync, readSync, write } from "node:fs";
import type { Readiness, watchReadable } from "../kernel/index.ts";
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

/** deviceTransport(path) opens the device; rejects with EPERM if the path is another file. */
export function deviceTransport(path: string, calls: DeviceCalls = systemCalls): OpenTransport {
  return async (handlers) => {
    // Imported here, so that users of the socket do not load koffi.
    const kernel = await import("../kernel/index.ts");
    const fd = calls.open(path);
    try {
      kernel.requirePollable(fd);
    } catch (error) {
      close(fd, ignore);
      // The device can be polled.
      const sentence = `${path} is neither a socket nor xenstore's device`;
      throw Object.assign(new Error(sentence, { cause: error }), { code: "EPERM" });
    }
    return new DeviceTransport({ fd, path, calls, watch: kernel.watchReadable }, handlers);
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

class DeviceTransport implements Transport {
  readonly inFlightMax = 1;
  readonly payloadBytesMax: number = frameBytesMax - headerBytes;
  readonly #device: Device;
  readonly #handlers: TransportHandlers;
  readonly #decoder = createDecoder(replyBytesMax);
  readonly #buffer = Buffer.allocUnsafe(readBytesMax);
  /** The request whose reply is awaited. */
  #asked: XenstoreMessage | undefined;
  /** The next request, if the reply was read before write(2) returned. */
  #next: XenstoreMessage | undefined;
  #writing: boolean = false;
  #ended: boolean = false;
  readonly #readiness: Readiness;

  constructor(device: Device, handlers: TransportHandlers) {
    this.#device = device;
    this.#handlers = handlers;
    this.#readiness = device.watch(device.fd, () => this.#receive());
  }

  send(message: XenstoreMessage): void {
    if (this.#ended) return;
    if (this.#writing) this.#next = message;
    else this.#ask(message);
  }

  #ask(message: XenstoreMessage): void {
    this.#asked = message;
    this.#writing = true;
    this.#device.calls.write(this.#device.fd, encodeMessage(message), (error) => {
      this.#writing = false;
      if (this.#ended) {
        close(this.#device.fd, ignore);
        return;
      }
      if (error !== null) this.#refuse(message, error);
      const following = this.#next;
      this.#next = undefined;
      if (following !== undefined && !this.#ended) this.#ask(following);
    });
  }

  /** The driver reports a failed WATCH as an errno of write(2) and sends no reply. */
  #refuse(message: XenstoreMessage, error: NodeJS.ErrnoException): void {
    const code = refusalOf(error);
    if (code === undefined || this.#asked !== message) {
      this.#lose(error);
      return;
    }
    const { reqId, txId } = message;
    this.#asked = undefined;
    const payload = encodeStrings(code);
    this.#handlers.onMessage({ type: messageType("ERROR"), reqId, txId, payload });
  }

  #receive(): void {
    const bytes = this.#readOnce();
    if (bytes === undefined) return;
    const { messages, fault } = this.#decoder.push(bytes);
    for (const message of messages) {
      if (this.#ended) return;
      this.#handlers.onMessage(message.type === eventType ? message : this.#asReply(message));
    }
    if (fault === undefined) return;
    const claim = `${fault.claimedBytes} bytes, above ${fault.payloadBytesMax}`;
    this.#lose(new XenstoreError("PROTOCOL", `cannot take a message that claims ${claim}`));
  }

  #readOnce(): Uint8Array | undefined {
    try {
      const count = readSync(this.#device.fd, this.#buffer);
      if (count > 0) return this.#buffer.subarray(0, count);
      this.#lose(new Error(`${this.#device.path} has ended`));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EAGAIN" && code !== "EINTR") this.#lose(error as Error);
    }
    return undefined;
  }

  /** Only one request is under way, so this is its reply, even if the kernel changed the req_id. */
  #asReply(message: XenstoreMessage): XenstoreMessage {
    if (this.#asked === undefined) return message;
    const { reqId, txId } = this.#asked;
    this.#asked = undefined;
    return { ...message, reqId, txId };
  }

  #lose(cause: Error): void {
    if (this.#ended) return;
    this.end();
    this.#handlers.onLost(cause);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#readiness.close();
    // A write under way closes the descriptor when it returns: its number could be reused before.
    if (!this.#writing) close(this.#device.fd, ignore);
  }
}

/** The wire error of an errno. Old kernels return ESRCH for an unknown transaction. */
function refusalOf(error: NodeJS.ErrnoException): WireErrorCode | undefined {
  if (error.code === "ESRCH") return "ENOENT";
  return wireErrorCodes.find((code) => code === error.code);
}

/** Nothing can be done about a close that fails. */
function ignore(): void {}
