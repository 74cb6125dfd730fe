// SPDX-License-Identifier: Apache-2.0
// Why bytes of a stream are dropped: the reasons in `droppedBytes`, and their words in the log.

import { type ErrnoName, errnoNameOf } from "../kernel/index.ts";
import { LogfileError, type Refusal } from "../logfile/index.ts";

/** Why a log takes no bytes. */
export type DropCause =
  | "diskFull"
  | "quota"
  | "fileSize"
  | "readOnly"
  | "ioError"
  /** Other streams, whose logs refuse bytes, have all stages. */
  | "noStage"
  /** The file system, or the log's directory, gives another error. */
  | "fileSystem";

const causeOfErrno: Partial<Record<ErrnoName, DropCause>> = {
  ENOSPC: "diskFull",
  EDQUOT: "quota",
  EFBIG: "fileSize",
  EROFS: "readOnly",
  EIO: "ioError",
};

export function causeOf(refusal: Refusal): DropCause {
  const errno = errnoNameOf(refusal instanceof LogfileError ? refusal.cause : refusal);
  return (errno && causeOfErrno[errno]) ?? "fileSystem";
}

const wordsOf: Readonly<Record<DropCause | "rate", string>> = {
  rate: "above its rate",
  diskFull: "disk full",
  quota: "disk quota used up",
  fileSize: "file size limit reached",
  readOnly: "file system read-only",
  ioError: "input/output error",
  noStage: "all stages in use",
  fileSystem: "file system error",
};

/** For people; a cause of another version is given as it is. */
export function wordsForCause(cause: string): string {
  return wordsOf[cause as keyof typeof wordsOf] ?? cause;
}
