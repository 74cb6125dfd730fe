// SPDX-License-Identifier: Apache-2.0
// Datagrams with descriptors to a UNIX socket: sendmsg(2) with SCM_RIGHTS, which Node lacks, as it
// lacks AF_UNIX datagrams. Never waits.

import { closeSync } from "node:fs";
import { KernelError } from "./errors.ts";
import { lastErrno, libcSendmsg, libcSocket } from "./library.ts";

// include/linux/socket.h, include/linux/net.h; the numbers of x86-64 and arm64.
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

const EINTR = 4;
const EAGAIN = 11;
const ENOBUFS = 105;

const addressBytesMax = 108;
/** struct cmsghdr (two words), then descriptors of 4 bytes, filled up to a word. */
const controlHeaderBytes = 16;

/** `busy`: its queue is full, or a signal came; try again later. */
export type Sent = "sent" | "busy";

export class NotifySocket implements Disposable {
  readonly #fd: number;
  readonly #address: Buffer;

  /** `address` is a path, or `@` and an abstract name. Connects to nothing yet. */
  constructor(address: string) {
    this.#address = encodeAddress(address);
    this.#fd = libcSocket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (this.#fd < 0) throw new KernelError("socket", lastErrno());
  }

  /** One datagram, with a copy of the descriptor if there is one. Throws KernelError. */
  send(text: string, descriptor: number | undefined): Sent {
    const bytes = Buffer.from(text);
    const control = descriptor === undefined ? undefined : encodeRights(descriptor);
    const message = {
      name: this.#address,
      nameBytes: this.#address.length,
      vectors: [{ base: bytes, length: bytes.length }],
      vectorCount: 1,
      control: control ?? null,
      controlBytes: control?.length ?? 0,
      flags: 0,
    };
    if (Number(libcSendmsg(this.#fd, message, MSG_DONTWAIT | MSG_NOSIGNAL)) >= 0) return "sent";
    const errno = lastErrno();
    if (errno === EAGAIN || errno === EINTR || errno === ENOBUFS) return "busy";
    throw new KernelError("sendmsg", errno);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** struct sockaddr_un; throws RangeError if the address does not fit. */
function encodeAddress(address: string): Buffer {
  // A leading NUL makes it abstract, and no NUL ends that one; see unix(7).
  const name = address.startsWith("@") ? `\0${address.slice(1)}` : `${address}\0`;
  const bytes = Buffer.from(name);
  if (bytes.length > addressBytesMax) throw new RangeError(`${address} is too long for a socket`);
  const family = Buffer.alloc(2);
  family.writeUInt16LE(AF_UNIX);
  return Buffer.concat([family, bytes]);
}

function encodeRights(descriptor: number): Buffer {
  const control = Buffer.alloc(controlHeaderBytes + 8);
  control.writeBigUInt64LE(BigInt(controlHeaderBytes + 4), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  control.writeInt32LE(descriptor, controlHeaderBytes);
  return control;
}
