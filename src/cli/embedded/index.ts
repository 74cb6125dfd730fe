// SPDX-License-Identifier: Apache-2.0
// The embedded daemon that the first `run` starts and the last one stops.

export {
  type DaemonWatch,
  type WatchOptions,
  watchDaemon,
  withDaemonWatched,
} from "./daemon-watch.ts";
export { takeTurn } from "./lock.ts";
export { joinDaemon, type Membership } from "./membership.ts";
export { contextOfDaemon } from "./start.ts";
