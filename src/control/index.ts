// SPDX-License-Identifier: Apache-2.0
// The daemon's HTTP API on a UNIX socket, both ends.

export {
  type ControlSource,
  countersOf,
  type DaemonStatus,
  type ReloadOutcome,
  type RequestState,
  type StreamStatus,
} from "./api/index.ts";
export { type ControlClient, controlClient } from "./client.ts";
export { ControlError, type ControlErrorCode } from "./errors.ts";
export { type ControlServer, type ControlServerOptions, startControlServer } from "./server.ts";
