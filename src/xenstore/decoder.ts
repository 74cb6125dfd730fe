// SPDX-License-Identifier: Apache-2.0
// Bytes in, messages out, under any chunking. Holds at most one header and one payload; a length
// above the bound is a fault: after it the boundaries of messages are unknown, so nothing more is
// decoded.

import { headerBytes, type XenstoreMessage } from "./message.ts";

interface Decoded {
  readonly messages: readonly XenstoreMessage[];
  /** Set when a header claimed more than the bound; `messages` are those before it. */
  readonly fault?: DecoderFault;
}

interface DecoderFault {
  readonly claimedBytes: number;
  readonly payloadBytesMax: number;
}

export interface MessageDecoder {
  /** push(chunk) returns the messages that `chunk`, or its first `byteCount` bytes, completes.
   * Keeps no reference to `chunk`. */
  push(chunk: Uint8Array, byteCount?: number): Decoded;
}

type State =
  | { readonly kind: "header"; filledBytes: number }
  | { readonly kind: "payload"; readonly payload: Buffer; filledBytes: number }
  | { readonly kind: "failed"; readonly fault: DecoderFault };

export function createDecoder(payloadBytesMax: number): MessageDecoder {
  const header = Buffer.alloc(headerBytes);
  let state: State = { kind: "header", filledBytes: 0 };

  const push = (chunk: Uint8Array, byteCount: number = chunk.byteLength): Decoded => {
    const messages: XenstoreMessage[] = [];
    let offset = 0;
    while (offset < byteCount) {
      switch (state.kind) {
        case "header":
          offset += fill(header, chunk, offset, byteCount, state);
          if (state.filledBytes === headerBytes) state = startPayload(header, payloadBytesMax);
          break;
        case "payload":
          offset += fill(state.payload, chunk, offset, byteCount, state);
          break;
        case "failed":
          return { messages, fault: state.fault };
      }
      if (state.kind === "payload" && state.filledBytes === state.payload.byteLength) {
        messages.push(readMessage(header, state.payload));
        state = { kind: "header", filledBytes: 0 };
      }
    }
    return state.kind === "failed" ? { messages, fault: state.fault } : { messages };
  };
  return { push };
}

function startPayload(header: Buffer, payloadBytesMax: number): State {
  const claimedBytes = header.readUInt32LE(12);
  return claimedBytes > payloadBytesMax
    ? { kind: "failed", fault: { claimedBytes, payloadBytesMax } }
    : { kind: "payload", payload: Buffer.allocUnsafe(claimedBytes), filledBytes: 0 };
}

/** Up to here a loop copies faster than set(), which needs a view of what it copies. */
const loopBytesMax = 64;

function fill(
  target: Buffer,
  chunk: Uint8Array,
  offset: number,
  byteCount: number,
  progress: { filledBytes: number },
): number {
  const { filledBytes } = progress;
  const takenBytes = Math.min(target.byteLength - filledBytes, byteCount - offset);
  if (takenBytes > loopBytesMax) {
    target.set(chunk.subarray(offset, offset + takenBytes), filledBytes);
  } else {
    for (let at = 0; at < takenBytes; at += 1) target[filledBytes + at] = chunk[offset + at] ?? 0;
  }
  progress.filledBytes += takenBytes;
  return takenBytes;
}

function readMessage(header: Buffer, payload: Buffer): XenstoreMessage {
  return {
    type: header.readUInt32LE(0),
    reqId: header.readUInt32LE(4),
    txId: header.readUInt32LE(8),
    payload,
  };
}
