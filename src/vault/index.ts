// SPDX-License-Identifier: Apache-2.0
// What keeps descriptors alive when processes of xenlogd are killed.

export { ServiceManager } from "./service-manager.ts";
export type { StageLocation, StagesForPump } from "./stage-pools.ts";
export { Vault, type VaultOptions } from "./vault.ts";
