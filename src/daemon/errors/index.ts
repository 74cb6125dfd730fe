// SPDX-License-Identifier: Apache-2.0
// Why a daemon could not start. `message` is for the operator.

import { errnoNameOf } from "../../kernel/index.ts";
import type { Places } from "../../places/index.ts";
import { reasonOf } from "../../program/index.ts";

export type DaemonErrorCode =
  /** Another daemon has the same places. */
  | "alreadyRunning"
  /** A directory is missing, is something else, or cannot be written. */
  | "directory"
  /** A pump process did not come up. */
  | "pump"
  /** It did not come up because the disk of the daemon's own files takes nothing. */
  | "pumpDisk"
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

/** A file of the daemon's places that cannot be used, as a sentence; other errors as they are. */
export function asStartError(error: unknown, places: Places): unknown {
  const isAboutFile = error instanceof Error && "path" in error && error.path !== undefined;
  if (!isAboutFile || errnoNameOf(error) === undefined) return error;
  const { mode } = places;
  const cure =
    mode === "embedded"
      ? "choose another directory with --dir"
      : "run xenlogd as root, or remove it";
  return new DaemonError("directory", `${reasonOf(error)}; ${cure}`, error);
}
