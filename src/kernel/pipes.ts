// SPDX-License-Identifier: Apache-2.0
// Moving bytes inside the kernel: splice and tee between pipes and files, and the sizes of pipes.
// Nothing here waits: an empty or full pipe is "wouldBlock".

import { constants } from "node:fs";
import { KernelError } from "./errno/index.ts";
import {
  lastErrno,
  libcFcntl,
  libcIoctlOutInt,
  libcPipe2,
  libcSplice,
  libcTee,
} from "./library.ts";

const O_CLOEXEC = 0o2000000;
// include/uapi/linux/fcntl.h, include/uapi/asm-generic/ioctls.h, include/linux/splice.h
const F_SETPIPE_SZ = 1031;
const F_GETPIPE_SZ = 1032;
const FIONREAD = 0x541b;
const SPLICE_F_NONBLOCK = 2;

const EAGAIN = 11;
const EINTR = 4;

/** Bytes moved; 0 is end of file: the pipe is empty and no process has it open for writing. */
export type Moved = number | "wouldBlock";

/** pipe2(2), both ends non-blocking. */
export function makePipe(): { readonly readFd: number; readonly writeFd: number } {
  const fds = [0, 0];
  if (libcPipe2(fds, O_CLOEXEC | constants.O_NONBLOCK) < 0) {
    throw new KernelError("pipe2", lastErrno());
  }
  return { readFd: fds[0] as number, writeFd: fds[1] as number };
}

/**
 * splice(2) of at most `bytesMax` bytes. One side has to be a pipe; a file is read or written at its
 * descriptor's position and must not be open O_APPEND (EINVAL).
 */
export function splice(fromFd: number, toFd: number, bytesMax: number): Moved {
  return moved(libcSplice(fromFd, null, toFd, null, bytesMax, SPLICE_F_NONBLOCK), "splice");
}

/** tee(2): copies at most `bytesMax` bytes from the head of one pipe to another, consuming nothing. */
export function tee(fromFd: number, toFd: number, bytesMax: number): Moved {
  return moved(libcTee(fromFd, toFd, bytesMax, SPLICE_F_NONBLOCK), "tee");
}

function moved(result: number, syscall: string): Moved {
  const count = Number(result);
  if (count >= 0) return count;
  const errno = lastErrno();
  if (errno === EAGAIN || errno === EINTR) return "wouldBlock";
  throw new KernelError(syscall, errno);
}

/** Bytes that wait in a pipe. */
export function bytesReadable(fd: number): number {
  const out = [0];
  if (libcIoctlOutInt(fd, FIONREAD, out) < 0) throw new KernelError("ioctl FIONREAD", lastErrno());
  return out[0] as number;
}

/** Capacity of a pipe in bytes. */
export function pipeSize(fd: number): number {
  const size = libcFcntl(fd, F_GETPIPE_SZ, 0);
  if (size < 0) throw new KernelError("fcntl F_GETPIPE_SZ", lastErrno());
  return size;
}

/**
 * Asks for a capacity and returns the one the pipe has afterwards: the kernel rounds up to a power
 * of two pages, and refuses above fs.pipe-max-size, above the user's share of pipe pages, and below
 * the bytes in the pipe. A refusal does not change the pipe.
 */
export function resizePipe(fd: number, bytes: number): number {
  const size = libcFcntl(fd, F_SETPIPE_SZ, bytes);
  return size < 0 ? pipeSize(fd) : size;
}
