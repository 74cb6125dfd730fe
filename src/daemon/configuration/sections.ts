// SPDX-License-Identifier: Apache-2.0
// The sections of the configuration file, each under the name that its value has in Configuration.
// To add one, write its file and add its line here.

export { overflow } from "./overflow.ts";
export { powerLoss as fsync } from "./power-loss.ts";
export { rate } from "./rate.ts";
