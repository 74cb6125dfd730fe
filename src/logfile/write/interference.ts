// SPDX-License-Identifier: Apache-2.0
// What others do to the files of a log, decided without I/O.

type Kind =
  /** The live file became shorter, or longer. */
  | "truncated"
  | "extended"
  /** The live file has another name in its directory. */
  | "renamed"
  /** The name has no file any more, or another one. */
  | "replaced"
  /** The directory has no name any more, or another directory has it. */
  | "directory";

/** What was found, as it is reported. */
export interface Interference {
  readonly what: Kind;
  /** The file's new name, if it was renamed. */
  readonly to?: string | undefined;
}

type SizeChange =
  /** Others appended to the live file; it is within its limit. */
  | "extended"
  | "aboveLimit"
  | "emptied"
  /** Shorter, with bytes left in it. */
  | "cut";

/** What happened to a live file whose size is not the one after our last write. */
export function sizeChange(knownBytes: number, foundBytes: number, limitBytes: number): SizeChange {
  if (foundBytes > limitBytes) return "aboveLimit";
  if (foundBytes > knownBytes) return "extended";
  return foundBytes === 0 ? "emptied" : "cut";
}
