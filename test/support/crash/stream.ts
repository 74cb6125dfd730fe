// SPDX-License-Identifier: Apache-2.0
// The numbered stream: sixteen bytes that say their own offset, and so on without end, so that a lost
// or doubled byte shows wherever the stream was cut.

const cellBytes = 16;

/**
 * The stream's bytes from `offset` on. Every so many cells (`lineCells`) one ends with a newline,
 * counted from the stream's begin; 0: none does.
 */
export function streamPiece(offset: number, length: number, lineCells: number): Buffer {
  const first = Math.floor(offset / cellBytes);
  const last = Math.ceil((offset + length) / cellBytes);
  let text = "";
  for (let cell = first; cell < last; cell += 1) {
    const endsLine = lineCells > 0 && cell % lineCells === lineCells - 1;
    text += `${String(cell * cellBytes).padStart(cellBytes - 1, "0")}${endsLine ? "\n" : " "}`;
  }
  const begin = offset - first * cellBytes;
  return Buffer.from(text, "latin1").subarray(begin, begin + length);
}
