// SPDX-License-Identifier: Apache-2.0
// The limits of one domain, with C xenstored's names, defaults and arithmetic (xenstored_core.c and
// xenstored_domain.c of 4.17, observed). dom0 has none. There is no `memory` quota: it counts
// allocations of the C program.

import { entriesOf } from "./children.ts";
import { childNamesBytes } from "./listing.ts";
import type { NodePermission, TreeNode } from "./tree.ts";

/** In the order in which GET_QUOTA names them. */
export const quotaDefaults = {
  /** Nodes owned by the domain. */
  nodes: 1000,
  watches: 128,
  /** Requests whose replies wait for the domain to read; no further one is handled then. */
  outstanding: 20,
  /** Open at once. */
  transactions: 10,
  /** Nodes that one transaction may touch, and changes that it may make. */
  "transaction-nodes": 1024,
  /** Entries in the list of one node. */
  "node-permissions": 5,
  /** Bytes of a path, without a leading `/local/domain/<n>/`. */
  "path-max": 2048,
  /** Bytes, by nodeSize. */
  "node-size": 2048,
} as const;

export type QuotaName = keyof typeof quotaDefaults;
export type Quotas = Readonly<Record<QuotaName, number>>;

/** parseQuotaName(text) is undefined where there is no such quota. */
export function parseQuotaName(text: string): QuotaName | undefined {
  return Object.hasOwn(quotaDefaults, text) ? (text as QuotaName) : undefined;
}

/** limitOf(quotas, name) is the limit; a quota of 0 means no limit (xenstore.txt of 4.22). */
export function limitOf(quotas: Quotas, name: QuotaName): number {
  return quotas[name] === 0 ? Number.POSITIVE_INFINITY : quotas[name];
}

/** A record of C's database: a header, 8 bytes a permission, the value, the children's names. */
export function nodeSize(
  node: TreeNode,
  { value = node.value, permissions = node.permissions }: Partial<SizedParts> = {},
  newChildName?: string,
): number {
  const newNameBytes = newChildName === undefined ? 0 : newChildName.length + 1;
  return 24 + 8 * permissions.length + value.byteLength + childNamesBytes(node) + newNameBytes;
}

interface SizedParts {
  readonly value: Uint8Array;
  readonly permissions: readonly NodePermission[];
}

/** Trees share most of their nodes, so a count after a change visits few of them. */
const counted = new WeakMap<TreeNode, ReadonlyMap<number, number>>();

/** countNodes(node) is the number of nodes by owner, `node` included. */
export function countNodes(node: TreeNode): ReadonlyMap<number, number> {
  const known = counted.get(node);
  if (known !== undefined) return known;
  const counts = new Map([[node.permissions[0]?.domid ?? 0, 1]]);
  for (const { value } of entriesOf(node.children)) {
    for (const [owner, count] of countNodes(value)) {
      counts.set(owner, (counts.get(owner) ?? 0) + count);
    }
  }
  counted.set(node, counts);
  return counts;
}
