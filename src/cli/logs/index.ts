// SPDX-License-Identifier: Apache-2.0
// Which log a command is about: its domain, its options, its request.

export { isOfDomain, isOfLog, parseDomainArgument, titleOf } from "./domain-argument.ts";
export {
  addLogOptions,
  type LogChoice,
  type NamedOwner,
  parseLogOptions,
} from "./log-options.ts";
export {
  findOwner,
  introduceAs,
  nameOf,
  type Owner,
  releaseIfIntroduced,
  titleOfOwner,
} from "./owner.ts";
export { logRequest } from "./request.ts";
export { formatStall } from "./stall.ts";
