// SPDX-License-Identifier: Apache-2.0
// The pump processes, one for each file system with logs.

export { fileSystemOf, mountPointOf, readMounts } from "./file-systems.ts";
export { notesFile, poolOfFile, pumpLockFile } from "./pool-files.ts";
export type { PumpProcess } from "./pump-process.ts";
export { Pumps } from "./pumps.ts";
