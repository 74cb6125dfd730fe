// SPDX-License-Identifier: Apache-2.0
// The files of a log in their directory: names, sizes, and why one could not be opened.

export { chainIndex, chainName } from "./chain.ts";
export {
  type CopyOnDisk,
  type FileOnDisk,
  type FilePlace,
  fileOf,
  findChain,
  findCopies,
  findLive,
  findPlace,
  findTemporaries,
  inspectChain,
  inspectLive,
} from "./chain-on-disk.ts";
export { type FileIdentity, LogDirectory, openLog } from "./directory.ts";
export {
  isAboutRoom,
  LogfileError,
  type LogfileErrorCode,
  type Refusal,
  refusalOf,
} from "./errors.ts";
export { temporaryName } from "./listing.ts";
export { OpenDirectories } from "./open-directory.ts";
