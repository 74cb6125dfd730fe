// SPDX-License-Identifier: Apache-2.0
// Collects what a toolstack has left behind: nodes of dead domains, FIFOs without a request.

export { DeadDomains } from "./dead-domains.ts";
export { OrphanFifos } from "./orphan-fifos.ts";
export { readStoreId } from "./store-identity.ts";
