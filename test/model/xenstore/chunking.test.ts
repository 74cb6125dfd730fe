// SPDX-License-Identifier: Apache-2.0
// Whatever a client sends, however it is cut: the server's decoder finds the same frames, stops at
// the same claim, and holds no more than one frame.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createDecoder } from "../../../src/xenstore/decoder.ts";
import { encodeMessage, headerBytes, payloadBytesMax } from "../../../src/xenstore/message.ts";

const runs = Number(process.env["XENLOGD_TEST_RUNS"] ?? 1000);
const word = fc.nat({ max: 0xffffffff });
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom(0, 1, payloadBytesMax).map((length) => new Uint8Array(length)),
);
const frame = fc
  .record({ type: word, reqId: word, txId: word, payload })
  .map((message) => encodeMessage(message));
const tooLong = word
  .filter((claimedBytes) => claimedBytes > payloadBytesMax)
  .map((claimedBytes) => {
    const header = Buffer.alloc(headerBytes);
    header.writeUInt32LE(claimedBytes, 12);
    return header;
  });
const stream = fc
  .array(fc.oneof({ weight: 9, arbitrary: frame }, { weight: 1, arbitrary: tooLong }), {
    maxLength: 12,
  })
  .map((frames) => Buffer.concat(frames));
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 });

test("any bytes under any chunking are the same frames, up to the same claim", () => {
  fc.assert(
    fc.property(stream, cuts, fc.nat({ max: 20 }), (bytes, places, missingBytes) => {
      const sent = bytes.subarray(0, Math.max(0, bytes.byteLength - missingBytes));
      const decoder = createDecoder(payloadBytesMax);
      const decoded = piecesOf(sent, places).map((piece) => decoder.push(piece));
      const messages = decoded.flatMap((each) => each.messages);
      const { frames, claimedBytes } = framesOf(sent);
      assert.deepEqual(
        messages.map((message) => encodeMessage(message).toString("hex")),
        frames.map((each) => each.toString("hex")),
      );
      assert.equal(decoded.at(-1)?.fault?.claimedBytes, claimedBytes);
    }),
    { numRuns: runs },
  );
});

function piecesOf(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => Math.floor(place * bytes.byteLength)), bytes.byteLength];
  let start = 0;
  return ends
    .sort((one, other) => one - other)
    .map((end) => {
      const piece = bytes.subarray(start, end);
      start = end;
      return piece;
    });
}

/** The frames with all bytes at hand. */
function framesOf(bytes: Buffer): { frames: Buffer[]; claimedBytes: number | undefined } {
  const frames: Buffer[] = [];
  for (let rest = bytes; rest.byteLength >= headerBytes; ) {
    const claimedBytes = rest.readUInt32LE(12);
    if (claimedBytes > payloadBytesMax) return { frames, claimedBytes };
    const endBytes = headerBytes + claimedBytes;
    if (rest.byteLength < endBytes) break;
    frames.push(rest.subarray(0, endBytes));
    rest = rest.subarray(endBytes);
  }
  return { frames, claimedBytes: undefined };
}
