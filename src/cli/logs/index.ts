// SPDX-License-Identifier: Apache-2.0
// Which log a command is about: its owner, its options, and how the command line names it.

export { isOfDomain, isOfLog, parseDomainArgument, titleOf } from "./domain-argument.ts";
export {
  addLogOptions,
  fileOf,
  type LogChoice,
  type OwnerChoice,
  parseLogOptions,
  type SaidOwner,
} from "./log-options.ts";
export {
  addressOf,
  findOwner,
  introduceAs,
  nameOf,
  type Owner,
  releaseIfIntroduced,
} from "./owner.ts";
