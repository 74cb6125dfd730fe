// SPDX-License-Identifier: Apache-2.0
// Mechanisms that all our processes share: starting programs, locks, retries, files.

export { argumentsOf, findProcess, isOwn, ownProcesses } from "./find.ts";
export {
  identifyProcess,
  isAlive,
  type ProcessIdentity,
  parseIdentity,
  signalProcess,
  watchProcess,
} from "./identity.ts";
export {
  isLocked,
  type Lock,
  type LockKind,
  removeFreeLock,
  takeLock,
  takeLockIfFree,
} from "./lock.ts";
export * from "./portable/index.ts";
export { hasRoomForFiles, lackOfFiles, limitBehind } from "./process-limits.ts";
export type { Program } from "./program.ts";
export {
  awaitEnd,
  type ChildProcess,
  noticeDescriptor,
  type StartOptions,
  type StartOutcome,
  startAndAwaitNotice,
  startProgram,
} from "./start.ts";
export { openStateFile } from "./state-file.ts";
