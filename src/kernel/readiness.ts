// SPDX-License-Identifier: Apache-2.0
// Descriptors in Node's event loop (uv_poll, level-triggered), for FIFOs: Node's own streams would
// block one thread for each.

import { closeSync } from "node:fs";
import { KernelError } from "./errno/index.ts";
import {
  lastErrno,
  libcEpollCreate,
  libcEpollCtl,
  libcPoll,
  type PollHandle,
  pollReadable,
} from "./library.ts";

/** A descriptor being polled. `close` before closing the descriptor itself. */
export interface Readiness {
  close(): void;
}

// The garbage collector closes a handle without references, silently.
const polled = new Set<PollHandle>();

/**
 * Calls `onReadable` each turn of the event loop while the descriptor has data or a hang-up.
 * One bounded operation a call keeps the neighbours served.
 */
export function watchReadable(fd: number, onReadable: () => void): Readiness {
  const handle = pollReadable(fd, () => {
    try {
      onReadable();
    } catch (error) {
      // An exception that passes the native caller would end the process without a message.
      setImmediate(() => {
        throw error;
      });
    }
  });
  polled.add(handle);
  return {
    close(): void {
      if (!polled.delete(handle)) return;
      handle.stop();
      handle.close();
    },
  };
}

// include/uapi/asm-generic/poll.h; struct pollfd: int fd, short events, short revents.
const POLLPRI = 2;
const POLLOUT = 4;
const pollfdBytes = 8;

/** poll(2) without waiting: whether a write returns at once, with success or an error. */
export function isWritable(fd: number): boolean {
  return hasEvent(fd, POLLOUT);
}

/**
 * Whether a file in /proc that reports changes, such as proc_pid_mountinfo(5), has changed since the
 * last call for this descriptor, or since it was opened.
 */
export function hasChanged(fd: number): boolean {
  return hasEvent(fd, POLLPRI);
}

function hasEvent(fd: number, event: number): boolean {
  const asked = Buffer.alloc(pollfdBytes);
  asked.writeInt32LE(fd, 0);
  asked.writeInt16LE(event, 4);
  return libcPoll(asked, 1, 0) !== 0;
}

// include/uapi/linux/eventpoll.h
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
/** struct epoll_event is 12 bytes on x86-64, where it is packed, and 16 elsewhere. */
const epollEventBytes = 16;

/**
 * Throws KernelError for a descriptor that cannot be polled: EPERM for a plain file, /dev/null and
 * the like. Call it before watchReadable if the descriptor may be of any kind: there koffi would
 * end the process.
 */
export function requirePollable(fd: number): void {
  const epoll = libcEpollCreate(EPOLL_CLOEXEC);
  if (epoll < 0) throw new KernelError("epoll_create1", lastErrno());
  const event = Buffer.alloc(epollEventBytes);
  event.writeUInt32LE(EPOLLIN, 0);
  const failed = libcEpollCtl(epoll, EPOLL_CTL_ADD, fd, event) < 0;
  const errno = lastErrno();
  closeSync(epoll);
  if (failed) throw new KernelError("epoll_ctl", errno);
}
