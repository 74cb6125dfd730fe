// SPDX-License-Identifier: Apache-2.0
// The one error of this folder. The message is a sentence for an operator; `cause` is the error
// below it, or the error that stopped the clean-up.

/**
 * - `option`: a value that the contract does not allow; nothing was done
 * - `fifo`: the FIFO or its directory could not be made or opened
 * - `refused`: the daemon answered `failed`; the message is its sentence
 * - `timeout`: no answer in time
 * - `aborted`: the caller's signal
 * - `removed`: another program removed the nodes during the wait
 * - `closed`: the handle was closed before
 * - `nameTaken`: a domain of that name is there already
 * - `full`: no free id or domid is left
 * - `xenstore`: a request to xenstore failed
 */
export type ToolstackErrorCode =
  | "option"
  | "fifo"
  | "refused"
  | "timeout"
  | "aborted"
  | "removed"
  | "closed"
  | "nameTaken"
  | "full"
  | "xenstore";

export class ToolstackError extends Error {
  readonly code: ToolstackErrorCode;

  constructor(code: ToolstackErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ToolstackError";
    this.code = code;
  }
}
