// SPDX-License-Identifier: Apache-2.0
// The one error of the kernel's folder: a system call that failed, with its errno by name. A room of its
// own, which loads no FFI.

import { constants } from "node:os";

/** Name of an errno, such as `ENOSPC`. */
export type ErrnoName = keyof typeof constants.errno;

// Some numbers have two names; the first of them is the usual one (EAGAIN, not EWOULDBLOCK).
const nameOf: ReadonlyMap<number, ErrnoName> = new Map(
  Object.entries(constants.errno)
    .reverse()
    .map(([name, value]) => [value, name as ErrnoName]),
);

/** What strerror(3) says, for the errors that operators meet. */
const sentenceOf: Partial<Record<ErrnoName, string>> = {
  E2BIG: "its arguments and environment are too long",
  EACCES: "permission denied",
  EAGAIN: "the reader does not read",
  EADDRINUSE: "the address is in use",
  EBUSY: "it is in use",
  ECONNABORTED: "the file system's server has ended",
  ECONNREFUSED: "no process listens there",
  ECONNRESET: "the other end has closed the connection",
  EDQUOT: "the disk quota is used up",
  EEXIST: "it exists already",
  EFBIG: "the file would become too large",
  EINVAL: "the kernel refused the argument",
  EIO: "input/output error",
  EISDIR: "it is a directory",
  ELOOP: "a symbolic link is in the way",
  EMFILE: "too many open files in this process",
  ENAMETOOLONG: "the name is too long",
  ENFILE: "too many open files on this host",
  ENODEV: "there is no such device",
  ENOENT: "it does not exist",
  ENOEXEC: "it is no program of this machine",
  ENOMEM: "out of memory",
  ENOSPC: "no space left on the file system",
  ENOSYS: "the kernel does not have this system call",
  ENOTCONN: "the file system's server does not run",
  ENOTDIR: "it is not a directory",
  ENOTEMPTY: "it is not empty",
  ENXIO: "no such device, or no process is at the other end",
  EOPNOTSUPP: "its file system does not support that",
  EPERM: "the operation is not permitted",
  EPIPE: "the reader is gone",
  EROFS: "the file system is read-only",
  ESTALE: "the network file system has forgotten it",
  ETIMEDOUT: "no answer in time",
  ETXTBSY: "it is being executed",
  EXDEV: "it leads out of the directory",
};

/** A failed system call. `code` is the errno's name, `syscall` the call, `path` its file. */
export class KernelError extends Error {
  readonly code: ErrnoName;
  readonly errno: number;
  readonly syscall: string;
  readonly path: string | undefined;

  constructor(syscall: string, errno: number, path?: string) {
    const code = nameOf.get(errno) ?? "EIO";
    super(
      `${syscall}${path === undefined ? "" : ` ${path}`} failed: ${describeErrno(code)} (${code})`,
    );
    this.name = "KernelError";
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    this.path = path;
  }

  /** An error of `node:fs` as a KernelError; `undefined` if no system call caused it. */
  static of(error: unknown): KernelError | undefined {
    const code = errnoNameOf(error);
    if (code === undefined) return undefined;
    const { syscall = "system call", path, address } = error as NodeError;
    return new KernelError(syscall, constants.errno[code], path ?? address);
  }
}

/** Of `node:net` the path of a socket is its address. */
type NodeError = NodeJS.ErrnoException & { readonly address?: string };

/**
 * What an error says to people. The texts of Node.js (`ENOENT: no such file or directory, stat '/x'`)
 * are in the words of this folder; other errors have sentences of their own.
 */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Only the errors of Node.js and of this folder have the number.
  const isOfNode = "errno" in error && !(error instanceof KernelError);
  return (isOfNode ? KernelError.of(error) : undefined)?.message ?? error.message;
}

/** A few words for people: `ENOSPC` is "no space left on the file system". */
export function describeErrno(code: string): string {
  return sentenceOf[code as ErrnoName] ?? code;
}

/** The errno's name of an error of this folder or of `node:fs`, if it has one. */
export function errnoNameOf(error: unknown): ErrnoName | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") {
    return undefined;
  }
  return error.code in constants.errno ? (error.code as ErrnoName) : undefined;
}
