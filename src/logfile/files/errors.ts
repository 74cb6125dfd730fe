// SPDX-License-Identifier: Apache-2.0
// Why a log could not be opened. `message` is a sentence for the operator.

import { describeErrno, errnoNameOf, KernelError } from "../../kernel/index.ts";

export type LogfileErrorCode =
  | "directory"
  | "otherFileSystem"
  | "open"
  | "notRegular"
  | "linked"
  | "copyNotRegular"
  | "copyLinked"
  | "trim"
  | "sideFile";

function sentence(code: LogfileErrorCode, path: string, errno: string): string {
  switch (code) {
    case "directory":
      return `the log directory ${path} cannot be opened: ${describeErrno(errno)}`;
    case "otherFileSystem":
      return `the log directory ${path} is on another file system than the log was`;
    case "open":
      return `the log ${path} cannot be opened: ${describeErrno(errno)}`;
    case "notRegular":
      return `the log ${path} is not a regular file`;
    case "linked":
      return `the log ${path} has more than one hard link`;
    case "copyNotRegular":
      return `the copy ${path} is not a regular file`;
    case "copyLinked":
      return `the copy ${path} has more than one hard link`;
    case "sideFile":
      return `the side file of ${path} is not a regular file, or has another name and is not an index`;
    case "trim":
      return `the log ${path} is above its limit and cannot be shortened: ${describeErrno(errno)}`;
  }
}

export class LogfileError extends Error {
  readonly code: LogfileErrorCode;
  readonly path: string;

  constructor(code: LogfileErrorCode, path: string, cause?: unknown) {
    super(sentence(code, path, errnoNameOf(cause) ?? "EIO"), { cause });
    this.name = "LogfileError";
    this.code = code;
    this.path = path;
  }
}

/** Why bytes were not taken, or a file not changed. */
export type Refusal = KernelError | LogfileError;

/** There is no room: for bytes on the disk, or for open files in this process or on this host. */
const aboutRoom: readonly string[] = ["ENOSPC", "EDQUOT", "EFBIG", "EMFILE", "ENFILE", "ENOMEM"];

/** Whether all is well with the file system itself: to open a file anew would not help. */
export function isAboutRoom(refusal: Refusal): boolean {
  const code = refusal instanceof KernelError ? refusal.code : errnoNameOf(refusal.cause);
  return code !== undefined && aboutRoom.includes(code);
}

/** What the file system said no with; throws on what it did not say. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof KernelError || error instanceof LogfileError) return error;
  const refusal = KernelError.of(error);
  if (refusal === undefined) throw error;
  return refusal;
}
