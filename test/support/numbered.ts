// SPDX-License-Identifier: Apache-2.0
// The numbered stream of programs/lines.h: what stands at an offset follows from the offset alone.

const lineBytes = 100;
const digits = 15;

/** The stream's bytes from `offset` on. */
export function numberedBytes(offset: number, length: number): Buffer {
  const first = Math.floor(offset / lineBytes);
  const last = Math.ceil((offset + length) / lineBytes);
  let text = "";
  for (let line = first; line < last; line += 1)
    text += `${String(line).padStart(digits, "0")}${padding}`;
  const begin = offset - first * lineBytes;
  return Buffer.from(text, "latin1").subarray(begin, begin + length);
}

const padding = `${Array.from({ length: lineBytes - 1 - digits }, (_, position) =>
  position === 0 ? " " : String.fromCharCode(0x61 + ((digits + position) % 26)),
).join("")}\n`;
