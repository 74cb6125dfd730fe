// SPDX-License-Identifier: Apache-2.0
// The control API's resources, a file each: paths, schemas, and the types that come from them.
// Fields are added, never renamed; a client ignores those it does not know.

import type { DaemonSource } from "./daemon.ts";
import type { StreamsSource } from "./streams.ts";

export {
  type DaemonSource,
  type DaemonStatus,
  daemonStatusSchema,
  type ReloadOutcome,
  reloadPath,
  statusPath,
  stopPath,
} from "./daemon.ts";
export { type ErrorBody, errorBodySchema } from "./error.ts";
export {
  closedPath,
  countersOf,
  type RequestState,
  type StreamStatus,
  type StreamsSource,
  streamListSchema,
  streamStatusSchema,
  streamsPath,
} from "./streams.ts";

/** What the control server asks its daemon. */
export interface ControlSource extends DaemonSource, StreamsSource {}
