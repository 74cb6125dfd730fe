// SPDX-License-Identifier: Apache-2.0
// Why a daemon could not start, or could not be configured. `message` is for the operator.

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

/** What is wrong in the configuration file. */
export class ConfigurationError extends Error {
  readonly code = "configuration";
  /** One sentence each, with the file's name. */
  readonly faults: readonly string[];

  constructor(faults: readonly string[], cause?: unknown) {
    super(faults.join("; "), { cause });
    this.name = "ConfigurationError";
    this.faults = faults;
  }
}
