// SPDX-License-Identifier: Apache-2.0
// The index of a log, kept in its side file: which position is where.

export { IndexWriter } from "./index-writer.ts";
export {
  findFile,
  type IndexedFile,
  type LogIndex,
  placeFiles,
  placeInLog,
} from "./log-index.ts";
export { readIndex } from "./side-file.ts";
