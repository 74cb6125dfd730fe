// SPDX-License-Identifier: Apache-2.0
// Copies of descriptors, within this process and from another one. A copy shares the open file
// description: closing it does nothing to the file as long as the others are open.

import { closeSync } from "node:fs";
import { KernelError } from "./errno/index.ts";
import {
  lastErrno,
  libcDup2,
  libcFcntl,
  libcSyscallPidfdGetfd,
  libcSyscallPidfdOpen,
} from "./library.ts";

// include/uapi/asm-generic/fcntl.h, include/uapi/linux/fcntl.h
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const F_DUPFD_CLOEXEC = 1030;

// include/uapi/asm-generic/unistd.h; the numbers are the same on every architecture.
const SYS_pidfd_open = 434;
const SYS_pidfd_getfd = 438;

/** A copy of the descriptor, close-on-exec. */
export function copyDescriptor(fd: number): number {
  return check(libcFcntl(fd, F_DUPFD_CLOEXEC, 0), "fcntl F_DUPFD_CLOEXEC");
}

/** pidfd_open(2), close-on-exec; negative if there is no such process. Needs Linux 5.3. */
export function openProcess(pid: number): number {
  return Number(libcSyscallPidfdOpen(SYS_pidfd_open, pid, 0));
}

/**
 * A copy of another process's descriptor, close-on-exec; like dup(2) it does not touch the open
 * file. Needs Linux 5.6 and the right to trace that process (EPERM).
 */
export function copyDescriptorOf(pid: number, fd: number): number {
  const pidfd = check(openProcess(pid), "pidfd_open");
  try {
    return check(Number(libcSyscallPidfdGetfd(SYS_pidfd_getfd, pidfd, fd, 0)), "pidfd_getfd");
  } finally {
    closeSync(pidfd);
  }
}

/** Child processes do not inherit the descriptor. */
export function closeOnExec(fd: number): void {
  check(libcFcntl(fd, F_SETFD, FD_CLOEXEC), "fcntl F_SETFD");
}

/** dup2(2): `to` is another name of the open file of `from`, in one step; what it was is closed. */
export function replaceDescriptor(from: number, to: number): void {
  check(libcDup2(from, to), "dup2");
}

function check(result: number, syscall: string): number {
  if (result < 0) throw new KernelError(syscall, lastErrno());
  return result;
}
