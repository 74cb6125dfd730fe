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
  const waiting = new Map<number, Exchange>();
  const inFlight = new Map<number, Exchange>();
  const idleListeners: (() => void)[] = [];
  let unansweredCount = 0;
  let lastReqId = 0;

  const transport = await open({ onMessage: receive, onLost: lose });
  let state: State = { kind: "open", transport };
  return { request, close };

  function request(asked: ConnectionRequest): Promise<Uint8Array> {
    const refusal = refuse(state, asked);
    if (refusal !== undefined) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      const reqId = nextReqId();
      const timer =
        requestTimeoutMs === 0 || requestTimeoutMs > timerMsMax
          ? undefined
          : setTimeout(giveUp, requestTimeoutMs, reqId);
      unansweredCount += 1;
      const onReply = (reply: Uint8Array | XenstoreError): void => {
        clearTimeout(timer);
        if (reply instanceof XenstoreError) reject(reply);
        else resolve(reply);
        unansweredCount -= 1;
        if (unansweredCount === 0) for (const listener of idleListeners.splice(0)) listener();
      };
      waiting.set(reqId, { request: asked, onReply });
      sendWaiting();
    });
  }

  async function close(error: XenstoreError): Promise<void> {
    if (state.kind === "open") state = { kind: "closing", transport, error };
    if (unansweredCount > 0) await new Promise<void>((resolve) => idleListeners.push(resolve));
    if (state.kind !== "over") transport.end();
    state = { kind: "over", error };
  }

  function sendWaiting(): void {
    for (const [reqId, exchange] of waiting) {
      if (inFlight.size >= transport.inFlightMax) return;
      waiting.delete(reqId);
      inFlight.set(reqId, exchange);
      const { name, txId, payload } = exchange.request;
      transport.send({ type: messageType(name), reqId, txId, payload });
    }
  }

  function receive(message: XenstoreMessage): void {
    const name = messageName(message.type);
    if (name === "WATCH_EVENT") {
      receiveEvent(message.payload);
      return;
    }
    const exchange = inFlight.get(message.reqId);
    if (exchange === undefined || (name !== "ERROR" && name !== exchange.request.name)) {
      breakOff(`${name ?? message.type} in reply to ${exchange?.request.name ?? "nothing"}`);
      return;
    }
    inFlight.delete(message.reqId);
    exchange.onReply?.(
      name === "ERROR" ? refused(exchange.request, message.payload) : message.payload,
    );
    sendWaiting();
  }

  function receiveEvent(payload: Uint8Array): void {
    // Not decodeStrings: an empty token is a string too, and a depth after the token is ignored.
    const [path, token] = decodeText(payload).split("\0");
    if (path === undefined || token === undefined) breakOff("an event without a token");
    else handlers.onEvent(path, token);
  }

  /** Client and server are out of step: only a new connection helps. */
  function breakOff(what: string): void {
    transport.end();
    lose(new XenstoreError("PROTOCOL", `cannot go on after ${what}`));
  }

  function lose(cause: Error): void {
    if (state.kind === "over") return;
    const code = cause instanceof XenstoreError ? cause.code : "LOST";
    state = { kind: "over", error: new XenstoreError(code, "connection lost", { cause }) };
    const unanswered = [...inFlight.values(), ...waiting.values()];
    inFlight.clear();
    waiting.clear();
    for (const { request: asked, onReply } of unanswered) {
      onReply?.(failed(asked, code, "connection lost", cause));
    }
    handlers.onLost(cause);
  }

  function giveUp(reqId: number): void {
    const exchange = waiting.get(reqId) ?? inFlight.get(reqId);
    if (exchange === undefined) return;
    const { request: asked } = exchange;
    if (asked.sentLate === undefined) waiting.delete(reqId);
    exchange.onReply?.(failed(asked, "TIMEOUT", `no reply in ${requestTimeoutMs} ms`));
    exchange.onReply = asked.onLate;
  }

  /** Skips 0, which events carry, and ids still in use when 2^32 requests have gone by. */
  function nextReqId(): number {
    do lastReqId = lastReqId === 0xffffffff ? 1 : lastReqId + 1;
    while (inFlight.has(lastReqId) || waiting.has(lastReqId));
    return lastReqId;
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
