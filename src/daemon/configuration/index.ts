// SPDX-License-Identifier: Apache-2.0
// The daemon's configuration file.

export {
  type Configuration,
  type ConfigurationFile,
  findConfigurationFile,
  LiveConfiguration,
  parseConfiguration,
  readConfiguration,
} from "./configuration.ts";
