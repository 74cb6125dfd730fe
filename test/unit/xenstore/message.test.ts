// SPDX-License-Identifier: Apache-2.0
// Frames as bytes, both ways, and under every chunking.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createDecoder } from "../../../src/xenstore/decoder.ts";
import {
  decodeStrings,
  encodeMessage,
  encodeStrings,
  messageName,
  messageType,
  type XenstoreMessage,
} from "../../../src/xenstore/message.ts";

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

const frames: readonly [string, XenstoreMessage, string][] = [
  [
    "READ /a",
    { type: 2, reqId: 1, txId: 0, payload: bytes("/a\0") },
    "02000000 01000000 00000000 03000000 2f6100",
  ],
  [
    "WRITE in a transaction, with NULs in the value",
    { type: 11, reqId: 0x01020304, txId: 7, payload: bytes("/a\0v\0w") },
    "0b000000 04030201 07000000 06000000 2f6100760077",
  ],
  [
    "an event",
    { type: 15, reqId: 0, txId: 0, payload: bytes("/a\0t\0") },
    "0f000000 00000000 00000000 05000000 2f61007400",
  ],
  [
    "an error",
    { type: 16, reqId: 0xffffffff, txId: 1, payload: bytes("ENOENT\0") },
    "10000000 ffffffff 01000000 07000000 454e4f454e5400",
  ],
  [
    "an empty payload",
    { type: 1, reqId: 5, txId: 0, payload: bytes("") },
    "01000000 05000000 00000000 00000000",
  ],
  [
    "an unknown type",
    { type: 65535, reqId: 0, txId: 0, payload: bytes("x") },
    "ffff0000 00000000 00000000 01000000 78",
  ],
];

const fromHex = (hex: string): Buffer => Buffer.from(hex.replaceAll(" ", ""), "hex");

/** Compares contents: payloads are Buffers or plain arrays. */
function plain(messages: readonly XenstoreMessage[]): unknown[] {
  return messages.map((message) => ({
    ...message,
    payload: Buffer.from(message.payload).toString("hex"),
  }));
}

for (const [name, message, hex] of frames) {
  test(`${name} has its known bytes both ways`, () => {
    assert.equal(encodeMessage(message).toString("hex"), fromHex(hex).toString("hex"));
    assert.deepEqual(plain(createDecoder(4096).push(fromHex(hex)).messages), plain([message]));
  });
}

const stream = Buffer.concat(frames.map(([, , hex]) => fromHex(hex)));
const expected = plain(frames.map(([, message]) => message));

test("a stream cut in two anywhere gives the same messages", () => {
  for (let cut = 0; cut <= stream.byteLength; cut += 1) {
    const decoder = createDecoder(4096);
    const pieces = [stream.subarray(0, cut), stream.subarray(cut)];
    assert.deepEqual(plain(pieces.flatMap((piece) => decoder.push(piece).messages)), expected);
  }
});

test("a stream in pieces of any one size gives the same messages", () => {
  for (let size = 1; size <= stream.byteLength; size += 1) {
    const decoder = createDecoder(4096);
    const messages: XenstoreMessage[] = [];
    for (let offset = 0; offset < stream.byteLength; offset += size) {
      messages.push(...decoder.push(stream.subarray(offset, offset + size)).messages);
    }
    assert.deepEqual(plain(messages), expected);
  }
});

test("the decoder keeps nothing of a chunk that its owner writes over", () => {
  const decoder = createDecoder(4096);
  const chunk = Buffer.from(stream.subarray(0, 18));
  decoder.push(chunk);
  chunk.fill(0xff);
  assert.deepEqual(plain(decoder.push(stream.subarray(18)).messages), expected);
});

test("a claim above the bound is a fault after the messages before it, and for good", () => {
  const decoder = createDecoder(4096);
  const tooLong = encodeMessage({ type: 2, reqId: 2, txId: 0, payload: Buffer.alloc(4097) });
  const { messages, fault } = decoder.push(Buffer.concat([stream, tooLong]));
  assert.deepEqual(plain(messages), expected);
  assert.deepEqual(fault, { claimedBytes: 4097, payloadBytesMax: 4096 });
  assert.deepEqual(decoder.push(stream), { messages: [], fault });
});

test("a payload of exactly the bound is taken", () => {
  const message = { type: 2, reqId: 2, txId: 0, payload: Buffer.alloc(4096, 1) };
  const decoded = createDecoder(4096).push(encodeMessage(message));
  assert.deepEqual(plain(decoded.messages), plain([message]));
});

test("a claim of 4 GiB is a fault and allocates nothing", () => {
  const header = fromHex("02000000 01000000 00000000 ffffffff");
  assert.equal(createDecoder(4096).push(header).fault?.claimedBytes, 0xffffffff);
});

test("numbers and names of messages belong together", () => {
  const numbers = [
    ["CONTROL", 0],
    ["READ", 2],
    ["WRITE", 11],
    ["WATCH_EVENT", 15],
    ["ERROR", 16],
    ["RESET_WATCHES", 21],
    ["DIRECTORY_PART", 22],
    ["SET_QUOTA", 26],
  ] as const;
  for (const [name, number] of numbers) {
    assert.equal(messageType(name), number);
    assert.equal(messageName(number), name);
  }
  assert.equal(messageName(27), undefined);
  assert.equal(messageName(65535), undefined);
});

test("strings are ended by a NUL each, and an empty one is one", () => {
  const cases: readonly (readonly [readonly string[], string])[] = [
    [["/a"], "/a\0"],
    [["/a", "t"], "/a\0t\0"],
    [["/a", ""], "/a\0\0"],
    [[""], "\0"],
    [[], ""],
  ];
  for (const [strings, text] of cases) {
    assert.equal(encodeStrings(...strings).toString(), text);
    assert.deepEqual(decodeStrings(bytes(text)), strings);
  }
  assert.deepEqual(decodeStrings(bytes("a\0b")), ["a", "b"], "the last may lack its NUL");
  assert.throws(() => encodeStrings("a\0b"), { code: "EINVAL" });
});
