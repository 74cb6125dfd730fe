// SPDX-License-Identifier: Apache-2.0
// The daemon's HTTP API on a UNIX socket, both ends, and where that socket is.

export type {
  ControlSource,
  DaemonStatus,
  ReloadOutcome,
  StreamState,
  StreamStatus,
} from "./api.ts";
export { type ControlClient, controlClient } from "./client.ts";
export {
  ControlError,
  type ControlErrorCode,
  PlacesError,
  type PlacesErrorCode,
} from "./errors.ts";
export { parseDescriptor, readNotice } from "./notice.ts";
export { embeddedPlaces, hostPlaces, type Places } from "./places.ts";
export { type ControlServer, type ControlServerOptions, startControlServer } from "./server.ts";
