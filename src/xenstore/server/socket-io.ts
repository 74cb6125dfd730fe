// SPDX-License-Identifier: Apache-2.0
// A client's socket without Node's streams on the way, which cost more than a request does: reads
// land in one buffer that all clients share, writes are write(2) as long as the client reads.
// Uses two things of net.Socket that have no documentation, `_handle` and the option `handle`;
// where they are missing the streams do the same, slower.

import { writeSync } from "node:fs";
import { Socket, type SocketConstructorOpts } from "node:net";

/** Bytes read at once; their reader takes them before any connection reads again. */
const readBuffer = Buffer.allocUnsafe(64 * 1024);

interface Handle {
  readonly fd?: number;
}

type Internals = { _handle: Handle | null };

export interface SocketIo {
  readonly socket: Socket;
  /** write(bytes) writes what fits now and returns how many that were. */
  write(bytes: Buffer): number;
}

/** openSocketIo(accepted, onData) takes over a socket that was accepted paused. The first
 * `byteCount` of `bytes` are what came; `onData` must not keep them. */
export function openSocketIo(
  accepted: Socket,
  onData: (bytes: Uint8Array, byteCount: number) => void,
): SocketIo {
  const internals = accepted as unknown as Internals;
  const handle = internals._handle;
  if (typeof handle?.fd !== "number" || handle.fd < 0) {
    accepted.on("data", (bytes: Buffer) => onData(bytes, bytes.byteLength)).resume();
    return { socket: accepted, write: () => 0 };
  }
  internals._handle = null;
  // The server counts it as gone; the handle lives on in the socket that follows.
  accepted.destroy();
  const onread = {
    buffer: readBuffer,
    callback: (byteCount: number): boolean => {
      onData(readBuffer, byteCount);
      return true;
    },
  };
  const options = { handle, onread, allowHalfOpen: true };
  const socket = new Socket(options as unknown as SocketConstructorOpts);
  return { socket, write: (bytes) => writeNow(handle, bytes) };
}

function writeNow({ fd = -1 }: Handle, bytes: Buffer): number {
  try {
    return writeSync(fd, bytes);
  } catch {
    // EAGAIN, or an error that the stream meets again and reports as an event.
    return 0;
  }
}
