// SPDX-License-Identifier: Apache-2.0
// The daemon's configuration file: one file of this folder is one section.

export { readConfiguration } from "./configuration.ts";
export { ConfigurationError } from "./errors.ts";
export { type ConfigurationFile, findConfigurationFile } from "./file.ts";
export { LiveConfiguration } from "./live-configuration.ts";
export { rateFor } from "./rate.ts";
