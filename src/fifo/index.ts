// SPDX-License-Identifier: Apache-2.0
// The reading side of a FIFO, for the pump and the main process.

export { RefusedDrain, type RefusedDrainOptions } from "./drain.ts";
export { type DropCount, DropCounter, readDropCounter } from "./drop-counter.ts";
export { Fifo, FifoError } from "./fifo.ts";
export { hasWriterOrBytes } from "./has-writer.ts";
export { ReadingEnd } from "./reading-end.ts";
