// SPDX-License-Identifier: Apache-2.0
// What keeps descriptors alive when processes of ours are killed.

export { FifoKeeper, type FifoKeeperOptions } from "./fifo-keeper.ts";
export {
  endHolder,
  ensureHolder,
  replaceHolder,
  type StageLocation,
  type StageStore,
  watchHolder,
} from "./holder.ts";
export { ServiceManager } from "./service-manager.ts";
export { StoredStages } from "./stored-stages.ts";
