// SPDX-License-Identifier: Apache-2.0
// read-write.mjs FIFO FILE LIMIT: the plain way to log a FIFO in Node, read and write of up to 1 MiB,
// rotated at LIMIT with one copy. A yardstick: it blocks, and what it has read dies with it.

import { closeSync, openSync, readSync, renameSync, writeSync } from "node:fs";

const [fifo, file, limit] = process.argv.slice(2);
const input = openSync(fifo, "r");
// Page-aligned: a copy from the pages of a pipe to anywhere else costs up to twice as much.
const buffer = Buffer.from(new WebAssembly.Memory({ initial: 16 }).buffer);
let output = openSync(file, "w");
let size = 0;
for (;;) {
  const length = readSync(input, buffer, 0, buffer.length, null);
  if (length === 0) break;
  if (size + length > Number(limit)) {
    closeSync(output);
    renameSync(file, `${file}.1`);
    output = openSync(file, "w");
    size = 0;
  }
  for (let done = 0; done < length; ) done += writeSync(output, buffer, done, length - done);
  size += length;
}
