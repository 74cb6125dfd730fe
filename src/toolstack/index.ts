// SPDX-License-Identifier: Apache-2.0
// The contract's side of Xen's toolstack: ask for a log, hand out its FIFO, close it.

export { domainName, findDomain, introduceDomain, releaseDomain } from "./domains.ts";
export { ToolstackError, type ToolstackErrorCode } from "./errors.ts";
export {
  type CreateFifoOptions,
  createFifo,
  type FifoAccess,
  type LogFifo,
  openFifo,
} from "./fifo.ts";
export type { CloseHandleOptions, LogfileHandle } from "./handle.ts";
export { closeLogfile, createLogfile } from "./logfile.ts";
export type { CreateLogfileOptions, LogfileParameters } from "./options.ts";
