// SPDX-License-Identifier: Apache-2.0
// Why a server cannot start, or cannot keep its promise while it runs.

/**
 * - `IN_USE`: another server answers on the socket, or something that is no socket has its name;
 * - `LISTEN_FAILED`: the socket cannot be made or listened on;
 * - `STATE_UNREADABLE`: the state file is there but cannot be used; it is left as it is;
 * - `STATE_UNWRITABLE`: the state file cannot be written; the next change tries again.
 */
export type XenstoreServerErrorCode =
  | "IN_USE"
  | "LISTEN_FAILED"
  | "STATE_UNREADABLE"
  | "STATE_UNWRITABLE";

export class XenstoreServerError extends Error {
  override readonly name = "XenstoreServerError";
  readonly code: XenstoreServerErrorCode;

  constructor(code: XenstoreServerErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
