// SPDX-License-Identifier: Apache-2.0
// The daemon's main process.

export {
  ConfigurationError,
  type ConfigurationFile,
  findConfigurationFile,
  readConfiguration,
} from "./configuration/index.ts";
export { type Daemon, type DaemonOptions, startDaemon } from "./daemon.ts";
export { DaemonError, type DaemonErrorCode } from "./errors/index.ts";
