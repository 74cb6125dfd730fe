// SPDX-License-Identifier: Apache-2.0
// Writing a log: appended, rotated, bounded, on the disk when the policy wants it.

export type { LogBound } from "./bound.ts";
export { Durability, type FsyncPolicy, type Syncable } from "./durability.ts";
export type { Interference } from "./interference.ts";
export type { Change, Changed, Journal } from "./journal.ts";
export { type Appended, RotatingFile } from "./rotating-file.ts";
