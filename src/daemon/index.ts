// SPDX-License-Identifier: Apache-2.0
// The daemon's main process.

export {
  type ConfigurationFile,
  findConfigurationFile,
  readConfiguration,
} from "./configuration.ts";
export { type Daemon, type DaemonOptions, startDaemon } from "./daemon.ts";
export { ConfigurationError, DaemonError, type DaemonErrorCode } from "./errors.ts";
export { logEvents } from "./events.ts";
export { ServiceManager } from "./service-manager.ts";
