// SPDX-License-Identifier: Apache-2.0
// Why a log could not be opened. `message` is a sentence for the operator.

import { describeErrno, errnoNameOf } from "../kernel/index.ts";

export type LogfileErrorCode = "directory" | "open" | "notRegular" | "linked" | "trim" | "occupied";

function sentence(code: LogfileErrorCode, path: string, errno: string): string {
  switch (code) {
    case "directory":
      return `the log directory ${path} cannot be opened: ${describeErrno(errno)}`;
    case "open":
      return `the log ${path} cannot be opened: ${describeErrno(errno)}`;
    case "notRegular":
      return `the log ${path} is not a regular file`;
    case "linked":
      return `the log ${path} has more than one hard link`;
    case "occupied":
      return `the log ${path} was filled by somebody else while it was rotated`;
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
