// SPDX-License-Identifier: Apache-2.0
// Whether a server accepts connections on a UNIX socket. The only place that decides what EAGAIN and
// EACCES mean.

import { Socket } from "node:net";

/**
 * - `answers`: a server accepted the connection; or its backlog is full, or the socket belongs to
 *   another user;
 * - `refused`: there is a file, and no server listens on it: a killed server leaves its socket behind;
 * - `absent`: there is no such file;
 * - `silent`: the connection was not accepted in time, or failed for another reason.
 */
export type SocketState = "answers" | "refused" | "absent" | "silent";

/** A server that does not accept by then hangs. */
const probeMsMax = 2000;

/** Connects and disconnects at once. Never rejects. */
export function probeSocket(socketPath: string): Promise<SocketState> {
  return new Promise((resolve) => {
    const socket = new Socket();
    const answer = (state: SocketState): void => {
      socket.destroy();
      resolve(state);
    };
    socket.setTimeout(probeMsMax, () => answer("silent"));
    socket.once("connect", () => answer("answers"));
    socket.once("error", ({ code = "" }: NodeJS.ErrnoException) => answer(stateOf(code)));
    socket.connect({ path: socketPath });
  });
}

function stateOf(errno: string): SocketState {
  switch (errno) {
    // EAGAIN is a full listen backlog, which is 1 in Xen's own servers: there is a server.
    case "EAGAIN":
    // No permission to connect: another user's server, as far as we can know.
    case "EACCES":
    case "EPERM":
      return "answers";
    case "ECONNREFUSED":
      return "refused";
    case "ENOENT":
    case "ENOTDIR":
      return "absent";
    default:
      return "silent";
  }
}
