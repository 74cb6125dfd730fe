// SPDX-License-Identifier: Apache-2.0
// Logs on disk: bounded, rotated, never followed out of their directory, each byte with a position.

export { type FileOnDisk, findCopies, findLive } from "./chain-on-disk.ts";
export { LogDirectory } from "./directory.ts";
export { Durability, type FsyncPolicy, type Syncable } from "./durability.ts";
export { LogfileError, type LogfileErrorCode, type Refusal, refusalOf } from "./errors.ts";
export { IndexKeeper } from "./index-keeper.ts";
export { LogReader, type Position, type PositionRead } from "./reader.ts";
export {
  type Appended,
  type ChainObserver,
  type Interference,
  type LogBound,
  RotatingFile,
} from "./rotating-file.ts";
