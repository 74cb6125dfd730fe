// SPDX-License-Identifier: Apache-2.0
// Writing to a terminal or a pipe that we share, and whose reader may have stopped (^S, a hung ssh).
// poll(2) does not help with a terminal: it calls one ready that has room for less than the line.

import { constants, fstatSync, openSync } from "node:fs";
import { isatty } from "node:tty";

const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * A descriptor of the same terminal or pipe whose writes do not wait: a description of its own, since
 * the shell shares that of `fd`. `fd` itself where none can be opened (a socket, another user's
 * terminal, a reader that is gone) and for files that nobody reads from the other end.
 */
export function openWithoutWaiting(fd: number): number {
  try {
    return isatty(fd) || fstatSync(fd).isFIFO() ? openSync(`/proc/self/fd/${fd}`, flags) : fd;
  } catch {
    return fd;
  }
}

/** Stops this thread for a moment, as a write that waits would. */
export function waitABit(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, momentMs);
}

const momentMs = 10;
