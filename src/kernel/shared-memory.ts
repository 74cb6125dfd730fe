// SPDX-License-Identifier: Apache-2.0
// A file as memory: a store is in the file at once, without a system call, and survives SIGKILL of
// the process.

import koffi from "koffi";
import { KernelError } from "./errno/index.ts";
import { lastErrno, libcMmap } from "./library.ts";

// include/uapi/asm-generic/mman-common.h
const PROT_READ_WRITE = 0x1 | 0x2;
const MAP_SHARED = 0x01;
/** What mmap(2) returns instead of an address, as an unsigned number. */
const MAP_FAILED = 2n ** 64n - 1n;

/**
 * mmap(2), shared, of the first `bytes` of a file, for as long as the process lives. The file has
 * to be that long already and must stay so: access beyond its end is SIGBUS.
 */
export function mapShared(fd: number, bytes: number): DataView {
  const pointer = libcMmap(null, bytes, PROT_READ_WRITE, MAP_SHARED, fd, 0);
  const errno = lastErrno();
  if (koffi.address(pointer) === MAP_FAILED) throw new KernelError("mmap", errno);
  return new DataView(koffi.view(pointer, bytes));
}
