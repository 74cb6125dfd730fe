// SPDX-License-Identifier: Apache-2.0
// The library's public door: ask for a bounded log through xenstore.

export {
  ContractError,
  type ContractErrorCode,
  contractVersion,
  type Domid,
  type LogfileId,
  type LogfileKey,
  type LogOwner,
  type Overflow,
  parseSize,
} from "./contract/index.ts";
export {
  LogfileError,
  type LogfileErrorCode,
  LogReader,
  type Position,
  type PositionRead,
} from "./logfile/index.ts";
export {
  type CloseHandleOptions,
  type CreateFifoOptions,
  type CreateLogfileOptions,
  closeLogfile,
  createFifo,
  createLogfile,
  type FifoAccess,
  type LogFifo,
  type LogfileHandle,
  type LogfileParameters,
  ToolstackError,
  type ToolstackErrorCode,
} from "./toolstack/index.ts";
export {
  connectXenstore,
  type XenstoreClient,
  type XenstoreConnectOptions,
  XenstoreError,
  type XenstoreErrorCode,
} from "./xenstore/index.ts";
