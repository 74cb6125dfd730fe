// SPDX-License-Identifier: Apache-2.0
// Why a daemon could not start. `message` is for the operator.

export type DaemonErrorCode =
  /** Another daemon has the same places. */
  | "alreadyRunning"
  /** A directory is missing, is something else, or cannot be written. */
  | "directory"
  /** A pump process did not come up. */
  | "pump"
  /** The embedded xenstored did not come up. */
  | "store";

export class DaemonError extends Error {
  readonly code: DaemonErrorCode;

  constructor(code: DaemonErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "DaemonError";
    this.code = code;
  }
}
