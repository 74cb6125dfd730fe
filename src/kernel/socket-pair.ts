// SPDX-License-Identifier: Apache-2.0
// Two connected UNIX sockets that keep the boundaries of messages. A sent message stays in the queue of
// the receiving end for as long as any process has that end open, also when the sending end is closed.

import { KernelError } from "./errno/index.ts";
import { lastErrno, libcSetsockoptInt, libcSocketpair } from "./library.ts";
import { AF_UNIX, SOCK_CLOEXEC, SOL_SOCKET } from "./send-message.ts";

// include/linux/net.h, include/uapi/asm-generic/socket.h
const SOCK_SEQPACKET = 5;
const SO_SNDBUF = 7;
const SO_SNDBUFFORCE = 32;

export interface SocketPair {
  readonly sendFd: number;
  readonly receiveFd: number;
}

/** socketpair(2), both ends close-on-exec and blocking. */
export function makeSocketPair(): SocketPair {
  const fds = [0, 0];
  if (libcSocketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
    throw new KernelError("socketpair", lastErrno());
  }
  return { sendFd: fds[0] as number, receiveFd: fds[1] as number };
}

/** Asks for a send queue of so many bytes. Without CAP_NET_ADMIN net.core.wmem_max bounds it. */
export function growSendQueue(socketFd: number, bytes: number): void {
  for (const option of [SO_SNDBUFFORCE, SO_SNDBUF]) {
    if (libcSetsockoptInt(socketFd, SOL_SOCKET, option, [bytes], 4) === 0) return;
  }
}
