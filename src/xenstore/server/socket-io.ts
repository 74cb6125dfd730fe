// SPDX-License-Identifier: Apache-2.0
// A client's socket without Node's streams, which cost more than a request does: reads fill one
// buffer that all clients share, writes are write(2) while the client reads. Uses two undocumented
// parts of net.Socket, `_handle` and the option `handle`; without them streams do the same, slower.

import { writeSync } from "node:fs";
import { Socket, type SocketConstructorOpts } from "node:net";

/** Bytes of one read; `onData` takes them before the next read of any client. */
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
  // For the server this socket is gone; its handle lives on in the socket below.
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
