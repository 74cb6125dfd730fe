// SPDX-License-Identifier: Apache-2.0
// Logs on disk: bounded, rotated, never followed out of their directory, each byte with a position.

export {
  type FileIdentity,
  type FileOnDisk,
  type FilePlace,
  findCopies,
  findPlace,
  inspectChain,
  inspectLive,
  LogDirectory,
  LogfileError,
  type LogfileErrorCode,
  OpenDirectories,
  type Refusal,
  refusalOf,
} from "./files/index.ts";
export { IndexWriter } from "./index/index.ts";
export { LogReader, type Position, type PositionRead } from "./read/index.ts";
export {
  type Appended,
  type Change,
  type Changed,
  Durability,
  type FsyncPolicy,
  type Interference,
  type Journal,
  type LogBound,
  RotatingFile,
  type Syncable,
} from "./write/index.ts";
