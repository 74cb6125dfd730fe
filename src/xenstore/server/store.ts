// SPDX-License-Identifier: Apache-2.0
// The server's state in memory: the tree, the domains, the watches, the connections. A request is
// handled in one step, without waiting and without I/O.

import { type Quotas, quotaDefaults } from "./quota.ts";
import type { Transaction } from "./transaction.ts";
import { type NodePermission, newNode, putNode, type TreeNode } from "./tree.ts";
import { createWatchIndex, removeWatch, type Watch, type WatchIndex } from "./watches.ts";

export interface Store {
  root: TreeNode;
  /** The last generation given to a node. */
  generation: number;
  /** Replaced, not changed in place, like the tree: comparing references shows a change. */
  domains: ReadonlyMap<number, Domain>;
  readonly watches: WatchIndex<Session>;
  /** Which other domains may watch `@introduceDomain` and `@releaseDomain`. */
  specialPermissions: ReadonlyMap<string, readonly NodePermission[]>;
  /** The quotas of future domains. */
  quotas: Quotas;
  /** Bytes that changes of the tree have added to the text of the store since its start, at most. */
  addedBytes: number;
}

/** An introduced domain. Without a hypervisor it exists because a client introduced it. */
export interface Domain {
  readonly gfn: string;
  readonly eventChannel: string;
  /** The domain on whose behalf this one may act. */
  readonly targetDomid: number | undefined;
  readonly quotas: Quotas;
}

/** One connection. */
export interface Session {
  readonly domid: number;
  readonly transactions: Map<number, Transaction>;
  lastTransactionId: number;
  readonly watches: Set<Watch<Session>>;
}

/** createStore() has the nodes that C xenstored makes at its start. */
export function createStore(): Store {
  const generation = 1;
  let root = newNode(generation);
  for (const path of ["/tool", "/tool/xenstored"]) {
    root = putNode(root, path, newNode(generation));
  }
  return {
    root,
    generation,
    domains: new Map(),
    watches: createWatchIndex(),
    specialPermissions: new Map(),
    quotas: quotaDefaults,
    addedBytes: 0,
  };
}

export function openSession(domid: number): Session {
  return { domid, transactions: new Map(), lastTransactionId: 0, watches: new Set() };
}

/** resetSession(store, session) drops its watches and transactions, at its end or on request. */
export function resetSession(store: Store, session: Session): void {
  for (const watch of session.watches) removeWatch(store.watches, watch);
  session.watches.clear();
  session.transactions.clear();
}

/** quotasOf(store, domid) are the domain's own, for dom0 those of future domains. */
export function quotasOf(store: Store, domid: number): Quotas {
  return store.domains.get(domid)?.quotas ?? store.quotas;
}

/** domainExists(store, domid) is true for dom0 and for introduced domains. */
export function domainExists(store: Store, domid: number): boolean {
  return domid === 0 || store.domains.has(domid);
}
