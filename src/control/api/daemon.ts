// SPDX-License-Identifier: Apache-2.0
// The daemon itself: its status, and what it may be asked to do.

import type * as v from "valibot";
import { type Shaped, shapeSchema } from "../../program/index.ts";

export const statusPath = "/v1/status";
export const stopPath = "/v1/stop";
export const reloadPath = "/v1/reload";

const status = {
  pid: "count",
  version: "text",
  /** ISO 8601, UTC. */
  startedAt: "text",
  mode: ["embedded", "host"],
  /** D of an embedded daemon. */
  directory: "textOrNull",
  /** Started by `xenlog run`, ends with the last of them. */
  transient: "flag",
  xenstore: ["connected", "lost"],
  /** Of its own log, which could not be written; since its start. */
  lostLines: "count",
} as const;

export type DaemonStatus = Shaped<typeof status>;

export const daemonStatusSchema: v.GenericSchema<unknown, DaemonStatus> = shapeSchema(status);

export type ReloadOutcome =
  | { readonly kind: "reloaded" }
  /** The configuration stays as it was. */
  | { readonly kind: "refused"; readonly reason: string };

/** What the server asks its daemon about itself. */
export interface DaemonSource {
  status(): DaemonStatus;
  /** Begins an orderly stop; returns at once. */
  stop(): void;
  /** Reads the configuration again, and looks for log files that were moved. */
  reload(): ReloadOutcome;
}
