// SPDX-License-Identifier: Apache-2.0
// Names and descriptors: open, openat2 beneath a directory, mkfifo, renameat, unlinkat, flock.
// Everything is opened O_CLOEXEC. Errors are KernelError.

import { closeSync, constants, lstatSync, type Stats } from "node:fs";
import { errnoNameOf, KernelError } from "./errno/index.ts";
import {
  lastErrno,
  libcFlock,
  libcLseek,
  libcMkfifo,
  libcOpen,
  libcRenameat,
  libcSyscallOpenat2,
  libcUnlinkat,
} from "./library.ts";

// include/uapi/asm-generic/fcntl.h; Node has no names for these two.
const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;

// include/uapi/linux/openat2.h; the number is the same on every architecture.
const SYS_openat2 = 437;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_BENEATH = 0x08;
const OPEN_HOW_BYTES = 24;

/** open(2). `flags` are `O_…` values of `node:fs` constants. */
export function openPath(path: string, flags: number, mode = 0): number {
  return check(libcOpen(path, flags | O_CLOEXEC, mode), "open", path);
}

/** close(2). FUSE and NFS may report an error of the file; the descriptor is closed all the same. */
export function closeFile(fd: number): void {
  try {
    closeSync(fd);
  } catch (error) {
    const code = errnoNameOf(error);
    if (code === undefined || code === "EBADF") throw error;
  }
}

/**
 * openat2(2) that stays beneath `directoryFd`: no `..` out of it (EXDEV), no absolute path (EXDEV),
 * no symbolic link anywhere (ELOOP). Needs Linux 5.6.
 */
export function openBeneath(directoryFd: number, path: string, flags: number, mode = 0): number {
  const how = Buffer.alloc(OPEN_HOW_BYTES);
  how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(flags & constants.O_CREAT ? mode : 0), 8);
  how.writeBigUInt64LE(BigInt(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS), 16);
  const fd = libcSyscallOpenat2(SYS_openat2, directoryFd, path, how, OPEN_HOW_BYTES);
  return check(Number(fd), "openat2", path);
}

/** Makes a FIFO; EEXIST if the name is taken. The umask applies to `mode`. */
export function makeFifo(path: string, mode: number): void {
  check(libcMkfifo(path, mode), "mkfifo", path);
}

/** Renames within one directory; replaces `to` if it exists. */
export function renameAt(directoryFd: number, from: string, to: string): void {
  check(libcRenameat(directoryFd, from, directoryFd, to), "rename", from);
}

/** Removes a file; ENOENT if it is not there. */
export function unlinkAt(directoryFd: number, name: string): void {
  check(libcUnlinkat(directoryFd, name, 0), "unlink", name);
}

/** The name's own status relative to a directory descriptor, `undefined` if it is not there. */
export function statAt(directoryFd: number, name: string): Stats | undefined {
  return lstatSync(`/proc/self/fd/${directoryFd}/${name}`, { throwIfNoEntry: false });
}

const SEEK_END = 2;

/** Moves the descriptor's position to the end of the file and returns it, in bytes. */
export function seekToEnd(fd: number): number {
  return check(Number(libcLseek(fd, 0, SEEK_END)), "lseek");
}

export type LockKind = "exclusive" | "shared";

// include/uapi/asm-generic/fcntl.h
const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

/** flock(2) without waiting: true if this open file description now has the lock. */
export function tryLock(fd: number, kind: LockKind): boolean {
  const result = libcFlock(fd, (kind === "shared" ? LOCK_SH : LOCK_EX) | LOCK_NB);
  if (result === 0) return true;
  const errno = lastErrno();
  const error = new KernelError("flock", errno);
  if (error.code === "EAGAIN" || error.code === "EINTR") return false;
  throw error;
}

function check(result: number, syscall: string, path?: string): number {
  if (result < 0) throw new KernelError(syscall, lastErrno(), path);
  return result;
}
