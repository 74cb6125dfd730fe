// SPDX-License-Identifier: Apache-2.0
// Requests and their replies over one transport, for as long as that lives. Replies are matched by
// req_id alone. A request that timed out keeps its req_id until its reply comes, so that its late
// reply never matches another request.

import { parseWireError, wireErrorReason, XenstoreError } from "./errors.ts";
import {
  decodeStrings,
  decodeText,
  type MessageName,
  messageName,
  messageType,
  type XenstoreMessage,
} from "./message.ts";
import type { OpenTransport, Transport } from "./transport.ts";

export interface ConnectionRequest {
  readonly name: MessageName;
  readonly txId: number;
  readonly payload: Uint8Array;
  /** For error messages. */
  readonly path?: string | undefined;
  /** Sent even after its time-out: otherwise the server would keep a watch or a transaction. */
  readonly sentLate?: true;
  /**
   * Gets a reply that comes after the time-out, so that the caller can undo what the server did.
   */
  readonly onLate?: (reply: Uint8Array | XenstoreError) => void;
}

export interface ConnectionHandlers {
  onEvent(path: string, token: string): void;
  onLost(cause: Error): void;
}

export interface Connection {
  /** request(request) resolves with the reply's payload; rejects with XenstoreError. */
  request(request: ConnectionRequest): Promise<Uint8Array>;
  /** close(error) rejects further requests with `error`, waits for the replies under way and
   * ends the transport. */
  close(error: XenstoreError): Promise<void>;
}

/** Sends one request, and resolves with the payload of its reply. */
export type Send = (name: MessageName, payload: Uint8Array, path?: string) => Promise<Uint8Array>;

type State =
  | { readonly kind: "open"; readonly transport: Transport }
  | { readonly kind: "closing"; readonly transport: Transport; readonly error: XenstoreError }
  | { readonly kind: "over"; readonly error: XenstoreError };

interface Exchange {
  readonly request: ConnectionRequest;
  /** `onLate` after the time-out, when the caller's promise is already rejected. */
  onReply: ((reply: Uint8Array | XenstoreError) => void) | undefined;
}

/** Node's timers hold 31 bits; a longer delay would fire after 1 ms. */
const timerMsMax = 2 ** 31 - 1;

/**
 * openConnection(open, handlers, requestTimeoutMs) opens one transport. A time-out of 0, or of more
 * than a timer holds, is none. Rejects with the transport's error. Requests beyond the transport's
 * `inFlightMax` wait here, one for each promise of a caller.
 */
export async function openConnection(
  open: OpenTransport,
  handlers: ConnectionHandlers,
  requestTimeoutMs: number,
): Promise<Connection> {
  const transport = await open({
    onMessage: (message) => connection.receive(message),
    onLost: (cause) => connection.lose(cause),
  });
  const connection = new TransportConnection(transport, handlers, requestTimeoutMs);
  return connection;
}

class TransportConnection implements Connection {
  readonly #transport: Transport;
  readonly #handlers: ConnectionHandlers;
  readonly #requestTimeoutMs: number;
  readonly #waiting = new Map<number, Exchange>();
  readonly #inFlight = new Map<number, Exchange>();
  readonly #idleListeners: (() => void)[] = [];
  #state: State;
  #unansweredCount = 0;
  #lastReqId = 0;

  constructor(transport: Transport, handlers: ConnectionHandlers, requestTimeoutMs: number) {
    this.#transport = transport;
    this.#handlers = handlers;
    this.#requestTimeoutMs = requestTimeoutMs;
    this.#state = { kind: "open", transport };
  }

  request(asked: ConnectionRequest): Promise<Uint8Array> {
    const refusal = refuse(this.#state, asked);
    if (refusal !== undefined) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      const reqId = this.#nextReqId();
      const timeoutMs = this.#requestTimeoutMs;
      const timer =
        timeoutMs === 0 || timeoutMs > timerMsMax
          ? undefined
          : setTimeout(this.#giveUp, timeoutMs, reqId);
      this.#unansweredCount += 1;
      const onReply = (reply: Uint8Array | XenstoreError): void => {
        clearTimeout(timer);
        if (reply instanceof XenstoreError) reject(reply);
        else resolve(reply);
        this.#unansweredCount -= 1;
        if (this.#unansweredCount !== 0) return;
        for (const listener of this.#idleListeners.splice(0)) listener();
      };
      this.#waiting.set(reqId, { request: asked, onReply });
      this.#sendWaiting();
    });
  }

  async close(error: XenstoreError): Promise<void> {
    const transport = this.#transport;
    if (this.#state.kind === "open") this.#state = { kind: "closing", transport, error };
    if (this.#unansweredCount > 0) {
      await new Promise<void>((resolve) => this.#idleListeners.push(resolve));
    }
    if (this.#state.kind !== "over") transport.end();
    this.#state = { kind: "over", error };
  }

  #sendWaiting(): void {
    for (const [reqId, exchange] of this.#waiting) {
      if (this.#inFlight.size >= this.#transport.inFlightMax) return;
      this.#waiting.delete(reqId);
      this.#inFlight.set(reqId, exchange);
      const { name, txId, payload } = exchange.request;
      this.#transport.send({ type: messageType(name), reqId, txId, payload });
    }
  }

  receive(message: XenstoreMessage): void {
    const name = messageName(message.type);
    if (name === "WATCH_EVENT") {
      this.#receiveEvent(message.payload);
      return;
    }
    const exchange = this.#inFlight.get(message.reqId);
    if (exchange === undefined || (name !== "ERROR" && name !== exchange.request.name)) {
      this.#breakOff(`${name ?? message.type} in reply to ${exchange?.request.name ?? "nothing"}`);
      return;
    }
    this.#inFlight.delete(message.reqId);
    exchange.onReply?.(
      name === "ERROR" ? refused(exchange.request, message.payload) : message.payload,
    );
    this.#sendWaiting();
  }

  #receiveEvent(payload: Uint8Array): void {
    // Not decodeStrings: an empty token is a string too, and a depth after the token is ignored.
    const [path, token] = decodeText(payload).split("\0");
    if (path === undefined || token === undefined) this.#breakOff("an event without a token");
    else this.#handlers.onEvent(path, token);
  }

  /** Client and server are out of step: only a new connection helps. */
  #breakOff(what: string): void {
    this.#transport.end();
    this.lose(new XenstoreError("PROTOCOL", `cannot go on after ${what}`));
  }

  lose(cause: Error): void {
    if (this.#state.kind === "over") return;
    const code = cause instanceof XenstoreError ? cause.code : "LOST";
    this.#state = { kind: "over", error: new XenstoreError(code, "connection lost", { cause }) };
    const unanswered = [...this.#inFlight.values(), ...this.#waiting.values()];
    this.#inFlight.clear();
    this.#waiting.clear();
    for (const { request: asked, onReply } of unanswered) {
      onReply?.(failed(asked, code, "connection lost", cause));
    }
    this.#handlers.onLost(cause);
  }

  /** A field, so that a request allocates no function for its timer. */
  readonly #giveUp = (reqId: number): void => {
    const exchange = this.#waiting.get(reqId) ?? this.#inFlight.get(reqId);
    if (exchange === undefined) return;
    const { request: asked } = exchange;
    if (asked.sentLate === undefined) this.#waiting.delete(reqId);
    exchange.onReply?.(failed(asked, "TIMEOUT", `no reply in ${this.#requestTimeoutMs} ms`));
    exchange.onReply = asked.onLate;
  };

  /** Skips 0, which events carry, and ids still in use when 2^32 requests have gone by. */
  #nextReqId(): number {
    do this.#lastReqId = this.#lastReqId === 0xffffffff ? 1 : this.#lastReqId + 1;
    while (this.#inFlight.has(this.#lastReqId) || this.#waiting.has(this.#lastReqId));
    return this.#lastReqId;
  }
}

/** Why a request cannot be sent. oxenstored 4.17 answers an empty payload only when more bytes come
 * (observed), and servers close the connection at a payload that is too long. */
function refuse(state: State, asked: ConnectionRequest): XenstoreError | undefined {
  if (state.kind !== "open") {
    return failed(asked, state.error.code, state.error.message, state.error.cause);
  }
  const { payloadBytesMax } = state.transport;
  const bytes = asked.payload.byteLength;
  if (bytes === 0) return failed(asked, "EINVAL", "an empty request cannot be sent");
  if (bytes <= payloadBytesMax) return undefined;
  return failed(asked, "E2BIG", `${bytes} bytes in one request, ${payloadBytesMax} can be sent`);
}

function refused(asked: ConnectionRequest, payload: Uint8Array): XenstoreError {
  const code = parseWireError(decodeStrings(payload)[0] ?? "");
  return failed(asked, code, wireErrorReason(code));
}

function failed(
  asked: ConnectionRequest,
  code: XenstoreError["code"],
  reason: string,
  cause?: unknown,
): XenstoreError {
  const object = asked.path === undefined ? "" : ` ${asked.path}`;
  const message = `xenstore ${asked.name}${object}: ${reason} (${code})`;
  return new XenstoreError(code, message, { path: asked.path, cause });
}
