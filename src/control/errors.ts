// SPDX-License-Identifier: Apache-2.0
// Why a daemon did not answer. `message` is a sentence for the operator.

/**
 * - `unreachable`: no daemon answers at the control socket, or it ended in the middle of an answer;
 * - `forbidden`: we may not open the socket;
 * - `timeout`: the daemon took too long;
 * - `protocol`: the answer is not what this version understands;
 * - `failed`: the daemon answered with an error of its own, whose sentence is `message`.
 */
export type ControlErrorCode = "unreachable" | "forbidden" | "timeout" | "protocol" | "failed";

/** A call of the control API that brought no answer. */
export class ControlError extends Error {
  readonly code: ControlErrorCode;

  constructor(code: ControlErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "ControlError";
    this.code = code;
  }
}
