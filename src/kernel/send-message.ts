// SPDX-License-Identifier: Apache-2.0
// sendmsg(2) on a UNIX socket, with descriptors (SCM_RIGHTS), which Node lacks. Never waits.

import { KernelError } from "./errno/index.ts";
import { lastErrno, libcSendmsg } from "./library.ts";

// include/linux/socket.h, include/linux/net.h; the numbers of x86-64 and arm64.
export const AF_UNIX = 1;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

const EINTR = 4;
const EAGAIN = 11;
const ENOBUFS = 105;

/** SCM_MAX_FD of include/net/scm.h: a message with more is refused (EINVAL). */
export const descriptorsPerMessageMax = 253;

/** struct cmsghdr is two words; descriptors of 4 bytes follow, filled up to a word. */
const controlHeaderBytes = 16;
const wordBytes = 8;

/** `busy`: the queue is full, or a signal came; try again later. */
export type Sent = "sent" | "busy";

export interface Message {
  readonly text: string;
  /** The receiver gets a copy of each. */
  readonly descriptors: readonly number[];
  /** struct sockaddr_un, for a socket that is not connected. */
  readonly address?: Buffer;
}

/** One message, or nothing of it. Throws KernelError. */
export function sendMessage(socketFd: number, { text, descriptors, address }: Message): Sent {
  const bytes = Buffer.from(text);
  const control = descriptors.length === 0 ? undefined : encodeRights(descriptors);
  const message = {
    name: address ?? null,
    nameBytes: address?.length ?? 0,
    vectors: [{ base: bytes, length: bytes.length }],
    vectorCount: 1,
    control: control ?? null,
    controlBytes: control?.length ?? 0,
    flags: 0,
  };
  if (Number(libcSendmsg(socketFd, message, MSG_DONTWAIT | MSG_NOSIGNAL)) >= 0) return "sent";
  const errno = lastErrno();
  if (errno === EAGAIN || errno === EINTR || errno === ENOBUFS) return "busy";
  throw new KernelError("sendmsg", errno);
}

function encodeRights(descriptors: readonly number[]): Buffer {
  const length = controlHeaderBytes + 4 * descriptors.length;
  const control = Buffer.alloc(Math.ceil(length / wordBytes) * wordBytes);
  control.writeBigUInt64LE(BigInt(length), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  for (const [index, descriptor] of descriptors.entries()) {
    control.writeInt32LE(descriptor, controlHeaderBytes + 4 * index);
  }
  return control;
}
