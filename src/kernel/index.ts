// SPDX-License-Identifier: Apache-2.0
// What the Linux kernel offers and Node lacks. Knows nothing of logs.

export { closeOnExec, copyDescriptor, copyDescriptorOf } from "./descriptors.ts";
export { describeErrno, type ErrnoName, errnoNameOf, KernelError } from "./errors.ts";
export {
  type LockKind,
  makeFifo,
  O_PATH,
  openBeneath,
  openPath,
  renameAt,
  seekToEnd,
  statAt,
  tryLock,
  unlinkAt,
} from "./files.ts";
export { giveNotice, type Notice } from "./notice.ts";
export { NotifySocket } from "./notify-socket.ts";
export {
  bytesReadable,
  type Moved,
  makePipe,
  pipeSize,
  resizePipe,
  splice,
  tee,
} from "./pipes.ts";
export {
  identifyProcess,
  isAlive,
  type ProcessIdentity,
  signalProcess,
  watchProcess,
} from "./processes.ts";
export { type Readiness, requirePollable, watchReadable } from "./readiness.ts";
export { mapShared } from "./shared-memory.ts";
