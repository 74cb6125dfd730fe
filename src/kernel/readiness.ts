// SPDX-License-Identifier: Apache-2.0
// Descriptors in Node's event loop (uv_poll, level-triggered), for FIFOs that Node's own streams
// would pin a thread for.

import { type PollHandle, pollReadable } from "./library.ts";

/** A descriptor being polled. `close` before closing the descriptor itself. */
export interface Readiness {
  close(): void;
}

// A handle that nobody refers to is closed by the garbage collector without a word.
const polled = new Set<PollHandle>();

/**
 * Calls `onReadable` each turn of the event loop while the descriptor has data or a hang-up.
 * One bounded operation a call keeps the neighbours served.
 */
export function watchReadable(fd: number, onReadable: () => void): Readiness {
  const handle = pollReadable(fd, () => {
    try {
      onReadable();
    } catch (error) {
      // Thrown through the native caller it would end the process without a word.
      setImmediate(() => {
        throw error;
      });
    }
  });
  polled.add(handle);
  return {
    close(): void {
      if (!polled.delete(handle)) return;
      handle.stop();
      handle.close();
    },
  };
}
