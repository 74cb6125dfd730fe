// SPDX-License-Identifier: Apache-2.0
// A client for xenstored that stands on its own: operations, transactions that retry, watches
// that survive a restart of the server.

export { connectXenstore } from "./client.ts";
export type {
  XenstoreClient,
  XenstoreConnectionState,
  XenstoreConnectOptions,
  XenstoreOperations,
  XenstoreTransaction,
  XenstoreTransactionOptions,
} from "./client-interface.ts";
export { isXenstoreError, XenstoreError, type XenstoreErrorCode } from "./errors.ts";
export { findXenstoreSocket, xenstorePlaces } from "./locate.ts";
export { parsePath, type XenstorePath } from "./path.ts";
export type { XenstorePermission } from "./permission.ts";
export type { XenstoreWatch, XenstoreWatchEvent } from "./watch.ts";
