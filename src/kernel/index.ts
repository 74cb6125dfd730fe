// SPDX-License-Identifier: Apache-2.0
// The Linux system calls that Node lacks. Knows nothing of logs.

import "./exit.ts";

export {
  closeOnExec,
  copyDescriptor,
  copyDescriptorOf,
  openProcess,
  replaceDescriptor,
} from "./descriptors.ts";
export { describeErrno, type ErrnoName, errnoNameOf, KernelError } from "./errno/index.ts";
export { identifyFileSystem, isUnique } from "./file-system.ts";
export {
  closeFile,
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
export { mayOpen, raiseLimits, softLimit } from "./limits.ts";
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
  hasChanged,
  isWritable,
  type Readiness,
  requirePollable,
  watchReadable,
} from "./readiness.ts";
export { descriptorsPerMessageMax, sendMessage } from "./send-message.ts";
export { mapShared } from "./shared-memory.ts";
export { growSendQueue, makeSocketPair, type SocketPair } from "./socket-pair.ts";
