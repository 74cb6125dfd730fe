// SPDX-License-Identifier: Apache-2.0
// The errors of a server: it cannot start, or it cannot save its state.

/**
 * - `IN_USE`: another server answers on the socket, or something that is no socket has its name;
 * - `LISTEN_FAILED`: the socket cannot be made or listened on;
 * - `STATE_UNREADABLE`: the state file is there but cannot be used; it is not changed;
 * - `STATE_UNWRITABLE`: the state file cannot be written; changes are refused until it can.
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
