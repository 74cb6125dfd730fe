// SPDX-License-Identifier: Apache-2.0
// The daemon that `run` starts, shares with other runs, and stops.

export { type DaemonWatch, type WatchOptions, watchDaemon, whileWatched } from "./daemon-watch.ts";
export { whileLocked } from "./directory-lock.ts";
export { joinDaemon, type Membership } from "./membership.ts";
export { contextOfDaemon } from "./start.ts";
