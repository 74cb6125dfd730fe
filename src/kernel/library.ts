// SPDX-License-Identifier: Apache-2.0
// The C library through koffi: the only place with FFI. Each function below is one system call;
// the files beside this one give them types and errors. Linux on x86-64 and arm64 (LP64).

import koffi from "koffi";

const libc = koffi.load(null);

type Call = (...args: readonly unknown[]) => number;

function declare(prototype: string): Call {
  return libc.func(prototype) as unknown as Call;
}

export const libcOpen: Call = declare("int open(const char *path, int flags, unsigned int mode)");
export const libcMkfifo: Call = declare("int mkfifo(const char *path, unsigned int mode)");
export const libcPipe2: Call = declare("int pipe2(_Out_ int *fds, int flags)");
export const libcSplice: Call = declare(
  "long splice(int from, void *from_offset, int to, void *to_offset, size_t length, unsigned int flags)",
);
export const libcTee: Call = declare(
  "long tee(int from, int to, size_t length, unsigned int flags)",
);
export const libcRenameat: Call = declare(
  "int renameat(int from_dir, const char *from, int to_dir, const char *to)",
);
export const libcUnlinkat: Call = declare("int unlinkat(int dir, const char *path, int flags)");
export const libcLseek: Call = declare("long lseek(int fd, long offset, int whence)");
export const libcFlock: Call = declare("int flock(int fd, int operation)");
// Variadic in C; with the fixed types below the call is the same on both LP64 machines.
export const libcFcntl: Call = declare("int fcntl(int fd, int command, int argument)");
export const libcIoctlOutInt: Call = declare(
  "int ioctl(int fd, unsigned long request, _Out_ int *value)",
);
export const libcIoctlBytes: Call = declare(
  "int ioctl(int fd, unsigned long request, void *bytes)",
);
export const libcPrlimit: Call = declare(
  "int prlimit(int pid, int resource, void *wanted, void *found)",
);
export const libcFstatfs: Call = declare("int fstatfs(int fd, void *status)");
export const libcMmap: (...args: readonly unknown[]) => unknown = libc.func(
  "void *mmap(void *address, size_t length, int protection, int flags, int fd, long offset)",
) as unknown as (...args: readonly unknown[]) => unknown;
// openat2(2) has no wrapper in glibc before 2.42.
export const libcSyscallOpenat2: Call = declare(
  "long syscall(long number, int dir, const char *path, void *how, size_t size)",
);

// pidfd_open(2) has one since glibc 2.36.
export const libcSyscallPidfdOpen: Call = declare(
  "long syscall(long number, int pid, unsigned int flags)",
);

// pidfd_getfd(2) has one since glibc 2.36, too.
export const libcSyscallPidfdGetfd: Call = declare(
  "long syscall(long number, int pidfd, int fd, unsigned int flags)",
);

export const libcPoll: Call = declare("int poll(void *fds, unsigned long count, int timeoutMs)");
export const libcDup2: Call = declare("int dup2(int from, int to)");
export const libcEpollCreate: Call = declare("int epoll_create1(int flags)");
export const libcEpollCtl: Call = declare(
  "int epoll_ctl(int epoll, int operation, int fd, void *event)",
);

export const libcSocket: Call = declare("int socket(int family, int type, int protocol)");
koffi.struct("iovec", { base: "void *", length: "size_t" });
koffi.struct("msghdr", {
  name: "void *",
  nameBytes: "unsigned int",
  vectors: "iovec *",
  vectorCount: "size_t",
  control: "void *",
  controlBytes: "size_t",
  flags: "int",
});
export const libcSendmsg: Call = declare("long sendmsg(int fd, const msghdr *message, int flags)");
export const libcSocketpair: Call = declare(
  "int socketpair(int family, int type, int protocol, _Out_ int *fds)",
);
export const libcSetsockoptInt: Call = declare(
  "int setsockopt(int fd, int level, int option, const int *value, unsigned int length)",
);

/** errno of the call just made in this thread. */
export function lastErrno(): number {
  return koffi.errno();
}

export type PollHandle = ReturnType<typeof koffi.node.poll>;
export const pollReadable = (fd: number, callback: () => void): PollHandle =>
  koffi.node.poll(fd, { readable: true }, callback);
