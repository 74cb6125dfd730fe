// SPDX-License-Identifier: Apache-2.0
// Why a directory cannot hold an embedded daemon. `message` is a sentence for the operator.

export type PlacesErrorCode =
  | "directoryTooLong"
  | "directoryName"
  | "notADirectory"
  | "directoryUnusable";

export class PlacesError extends Error {
  readonly code: PlacesErrorCode;

  constructor(code: PlacesErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "PlacesError";
    this.code = code;
  }
}
