// SPDX-License-Identifier: Apache-2.0
// A client's socket without Node's streams on the way, which cost more than a request does: reads
// land in one buffer that all clients share, writes are write(2) as long as the client reads.
// Uses two things of net.Socket that have no documentation, `_handle` and the option `handle`;
// where they are missing the streams do the same, slower.

import { writeSync } from "node:fs";
import { Socket, type SocketConstructorOpts } from "node:net";

/** What is read at once; taken by its reader before the next read of anybody. */
const readBuffer = Buffer.allocUnsafe(64 * 1024);

interface Handle {
  readonly fd?: number;
}

type Internals = { _handle: Handle | null };

export interface SocketIo {
  readonly socket: Socket;
  /** write(bytes) writes what fits now and returns the rest. */
  write(bytes: Buffer): Buffer;
}

/** openSocketIo(accepted, onData) takes over a socket that was accepted paused. `onData` must not
 * keep its argument. */
export function openSocketIo(accepted: Socket, onData: (bytes: Uint8Array) => void): SocketIo {
  const internals = accepted as unknown as Internals;
  const handle = internals._handle;
  if (typeof handle?.fd !== "number" || handle.fd < 0) {
    accepted.on("data", onData).resume();
    return { socket: accepted, write: (bytes) => bytes };
  }
  internals._handle = null;
  // The server counts it as gone; the handle lives on in the socket that follows.
  accepted.destroy();
  const onread = {
    buffer: readBuffer,
    callback: (byteCount: number): boolean => {
      onData(readBuffer.subarray(0, byteCount));
      return true;
    },
  };
  const options = { handle, onread, allowHalfOpen: true };
  const socket = new Socket(options as unknown as SocketConstructorOpts);
  return { socket, write: (bytes) => writeNow(handle, bytes) };
}

function writeNow({ fd = -1 }: Handle, bytes: Buffer): Buffer {
  try {
    return bytes.subarray(writeSync(fd, bytes));
  } catch {
    // EAGAIN, or an error that the stream meets again and tells as an event.
    return bytes;
  }
}
