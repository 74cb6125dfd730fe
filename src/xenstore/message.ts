// SPDX-License-Identifier: Apache-2.0
// One xenstore message as bytes: a header of four 32-bit words and a payload (xs_wire.h).
// The words are in host byte order, taken here as little-endian: the hosts Xen runs on are x86
// and arm64.

import { XenstoreError } from "./errors.ts";

/** Message types in wire order: the index is the number on the wire. */
const messageNames = [
  "CONTROL",
  "DIRECTORY",
  "READ",
  "GET_PERMS",
  "WATCH",
  "UNWATCH",
  "TRANSACTION_START",
  "TRANSACTION_END",
  "INTRODUCE",
  "RELEASE",
  "GET_DOMAIN_PATH",
  "WRITE",
  "MKDIR",
  "RM",
  "SET_PERMS",
  "WATCH_EVENT",
  "ERROR",
  "IS_DOMAIN_INTRODUCED",
  "RESUME",
  "SET_TARGET",
  "RESTRICT",
  "RESET_WATCHES",
  "DIRECTORY_PART",
  "GET_FEATURE",
  "SET_FEATURE",
  "GET_QUOTA",
  "SET_QUOTA",
] as const;

export type MessageName = (typeof messageNames)[number];

export interface XenstoreMessage {
  /** Number on the wire; may be one that `messageNames` does not know. */
  readonly type: number;
  /** Chosen by the client, echoed in the reply; 0 in events. */
  readonly reqId: number;
  /** 0 = no transaction. */
  readonly txId: number;
  readonly payload: Uint8Array;
}

export const headerBytes = 16;

/** XENSTORE_PAYLOAD_MAX. At a longer payload a server closes the connection. */
export const payloadBytesMax = 4096;

/**
 * Longest payload that the client accepts. Replies should have at most 4096 bytes, but oxenstored
 * 4.17 sends a long DIRECTORY reply whole (80 000 bytes observed). The bound limits how much memory
 * a broken server can make the client allocate.
 */
export const replyBytesMax: number = 4 * 1024 * 1024;

const numbers = new Map<MessageName, number>(messageNames.map((name, number) => [name, number]));

/** messageType(name) is the number of `name` on the wire. */
export function messageType(name: MessageName): number {
  return numbers.get(name) ?? -1;
}

/** messageName(type) is the name of a wire number, undefined for an unknown one. */
export function messageName(type: number): MessageName | undefined {
  return messageNames[type];
}

/**
 * encodeMessage(message) is the frame of `message`. The sender checks the length of the payload.
 */
export function encodeMessage(message: XenstoreMessage): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + message.payload.byteLength);
  writeHeader(frame, 0, message, message.payload.byteLength);
  frame.set(message.payload, headerBytes);
  return frame;
}

/** writeHeader(target, offset, message, payloadBytes) writes the `headerBytes` before a payload. */
export function writeHeader(
  target: Buffer,
  offset: number,
  { type, reqId, txId }: Omit<XenstoreMessage, "payload">,
  payloadBytes: number,
): void {
  target.writeUInt32LE(type, offset);
  target.writeUInt32LE(reqId, offset + 4);
  target.writeUInt32LE(txId, offset + 8);
  target.writeUInt32LE(payloadBytes, offset + 12);
}

/** encodeStrings(strings) is a payload of NUL-terminated strings. Throws EINVAL when one of
 * them holds a NUL, which would split it. */
export function encodeStrings(...strings: readonly string[]): Buffer {
  for (const string of strings) {
    if (string.includes("\0")) {
      throw new XenstoreError("EINVAL", "cannot encode a string that holds a NUL");
    }
  }
  return Buffer.from(strings.map((string) => `${string}\0`).join(""), "utf8");
}

/** decodeStrings(payload) splits a payload of NUL-terminated strings; bytes after the last
 * NUL count as a string too. */
export function decodeStrings(payload: Uint8Array): string[] {
  const strings = decodeText(payload).split("\0");
  if (strings.at(-1) === "") strings.pop();
  return strings;
}

/** decodeText(bytes, end) reads `bytes`, up to `end`, as UTF-8; invalid bytes become U+FFFD. */
export function decodeText(bytes: Uint8Array, end: number = bytes.byteLength): string {
  const buffer =
    bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer.toString("utf8", 0, end);
}
