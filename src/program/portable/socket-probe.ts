// SPDX-License-Identifier: Apache-2.0
// Whether a server accepts connections on a UNIX socket. The only place that decides what EAGAIN and
// EACCES mean.

import { connect } from "node:net";

/**
 * - `answers`: a server accepted the connection, or would but for its backlog or our permissions;
 * - `refused`: there is a socket, and no server behind it (a killed server leaves its file behind);
 * - `absent`: there is no such file;
 * - `silent`: the connection was not accepted in time, or failed in another way.
 */
export type SocketState = "answers" | "refused" | "absent" | "silent";

/** A server that does not accept by then hangs. */
const probeMsMax = 2000;

/** Connects and disconnects at once. Never rejects. */
export function probeSocket(socketPath: string): Promise<SocketState> {
  return new Promise((resolve) => {
    const socket = connect({ path: socketPath });
    const answer = (state: SocketState): void => {
      socket.destroy();
      resolve(state);
    };
    socket.setTimeout(probeMsMax, () => answer("silent"));
    socket.once("connect", () => answer("answers"));
    socket.once("error", ({ code = "" }: NodeJS.ErrnoException) => answer(stateOf(code)));
  });
}

function stateOf(errno: string): SocketState {
  switch (errno) {
    // EAGAIN is a full listen backlog, which is 1 in Xen's own servers: there is a server.
    case "EAGAIN":
    // Not permitted to connect: the socket belongs to a server of another user.
    case "EACCES":
    case "EPERM":
      return "answers";
    case "ECONNREFUSED":
      return "refused";
    case "ENOENT":
      return "absent";
    default:
      return "silent";
  }
}
