// SPDX-License-Identifier: Apache-2.0
// Datagrams with descriptors to a UNIX socket with an address; Node lacks AF_UNIX datagrams. Never
// waits.

import { closeSync } from "node:fs";
import { KernelError } from "./errno/index.ts";
import { lastErrno, libcSocket } from "./library.ts";
import { AF_UNIX, type Sent, SOCK_CLOEXEC, sendMessage } from "./send-message.ts";

const SOCK_DGRAM = 2;

const addressBytesMax = 108;

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
    const descriptors = descriptor === undefined ? [] : [descriptor];
    return sendMessage(this.#fd, { text, descriptors, address: this.#address });
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
