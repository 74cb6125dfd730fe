// SPDX-License-Identifier: Apache-2.0
// The daemon's main process.

export {
  type ConfigurationFile,
  findConfigurationFile,
  readConfiguration,
} from "./configuration/index.ts";
export { type Daemon, type DaemonOptions, startDaemon } from "./daemon.ts";
export { ConfigurationError, DaemonError, type DaemonErrorCode } from "./errors.ts";
