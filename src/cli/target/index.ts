// SPDX-License-Identifier: Apache-2.0
// Which daemon a command is about.

export { findDaemon, hasDaemon, placesOfRun } from "./find-daemon.ts";
