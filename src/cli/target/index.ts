// SPDX-License-Identifier: Apache-2.0
// Which daemon a command is for.

export { type DaemonAt, findDaemon, hasDaemon, placesOfRun } from "./find-daemon.ts";
