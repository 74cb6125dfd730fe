// SPDX-License-Identifier: Apache-2.0
// The names of a node's children, also if they do not fit into one reply. Bounded by
// `replyBytesMax` bytes of names.

import type { Send } from "./connection.ts";
import { isXenstoreError, XenstoreError } from "./errors.ts";
import { decodeStrings, decodeText, encodeStrings, replyBytesMax } from "./message.ts";
import type { XenstorePath } from "./path.ts";

/** Each restart means that the directory changed while it was listed. */
const restartsMax = 100;

/**
 * listNames(send, path) asks for the whole directory, and for its parts when that is too long.
 * Rejects with EAGAIN when it kept changing, ENOSYS when the server has no DIRECTORY_PART.
 */
export async function listNames(send: Send, path: XenstorePath): Promise<string[]> {
  try {
    return decodeStrings(await send("DIRECTORY", encodeStrings(path), path));
  } catch (error) {
    if (!isXenstoreError(error, "E2BIG")) throw error;
  }
  for (let restarts = 0; restarts <= restartsMax; restarts += 1) {
    const names = await listParts(send, path);
    if (names !== undefined) return decodeStrings(names);
  }
  throw new XenstoreError("EAGAIN", `cannot list ${path}: it keeps changing`, { path });
}

/** All parts joined, or undefined if the directory changed meanwhile. */
async function listParts(send: Send, path: XenstorePath): Promise<Uint8Array | undefined> {
  const pieces: Uint8Array[] = [];
  let offset = 0;
  let generation: string | undefined;
  while (offset <= replyBytesMax) {
    const part = parsePart(
      await send("DIRECTORY_PART", encodeStrings(path, String(offset)), path),
      path,
    );
    if (generation !== undefined && part.generation !== generation) return undefined;
    generation = part.generation;
    pieces.push(part.piece);
    offset += part.piece.byteLength;
    if (part.last) return Buffer.concat(pieces);
    if (part.piece.byteLength === 0) throw unusable(path, "an empty part before the end");
  }
  throw unusable(path, `more than ${replyBytesMax} bytes of names`);
}

interface Part {
  readonly generation: string;
  /** Without the empty string that marks the end. */
  readonly piece: Uint8Array;
  readonly last: boolean;
}

/** A part is `generation NUL piece`; the last piece ends in an empty string. */
function parsePart(payload: Uint8Array, path: XenstorePath): Part {
  const end = payload.indexOf(0);
  if (end === -1) throw unusable(path, "a part without a generation");
  const piece = payload.subarray(end + 1);
  const last = piece.at(-1) === 0 && (piece.byteLength === 1 || piece.at(-2) === 0);
  return {
    generation: decodeText(payload.subarray(0, end)),
    piece: last ? piece.subarray(0, -1) : piece,
    last,
  };
}

function unusable(path: XenstorePath, what: string): XenstoreError {
  return new XenstoreError("PROTOCOL", `cannot list ${path}: the server sent ${what}`, { path });
}
