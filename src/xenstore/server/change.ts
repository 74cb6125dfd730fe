// SPDX-License-Identifier: Apache-2.0
// A change to the tree as a value, so that a transaction can make it on its own tree at once and on
// the store's tree at its commit. Permissions and quotas were checked before.

import {
  getNode,
  type NodePermission,
  newNode,
  parentPath,
  pathsBelow,
  putNode,
  removeNode,
  type TreeNode,
} from "./tree.ts";

export type Change =
  | {
      readonly kind: "write";
      readonly path: string;
      /** undefined makes an empty node and does not change an existing one. */
      readonly value: Uint8Array | undefined;
      /** Owner of the nodes that are made; undefined: the owner of the node above. */
      readonly creator: number | undefined;
    }
  | { readonly kind: "remove"; readonly path: string }
  | {
      readonly kind: "permit";
      readonly path: string;
      readonly permissions: readonly NodePermission[];
    };

/** applyChange(root, change, generation) is the changed tree. Nodes whose value, permissions or
 * set of children changed carry `generation`. */
export function applyChange(root: TreeNode, change: Change, generation: number): TreeNode {
  const { path } = change;
  if (change.kind === "remove") return removeNode(root, path, generation);
  const node = getNode(root, path);
  if (change.kind === "permit") {
    const { value, children } = node ?? missing(path);
    const { permissions } = change;
    return putNode(root, path, { value, permissions, generation, children });
  }
  const { value, creator } = change;
  if (node === undefined) return makeNode(root, path, value, creator, generation);
  if (value === undefined) return root;
  const { permissions, children } = node;
  return putNode(root, path, { value, permissions, generation, children });
}

/** A path whose watches a change fires; `exact`: only watches of this path, not of those above. */
export interface ChangedPath {
  readonly path: string;
  readonly exact: boolean;
}

/**
 * changedPaths(root, change) lists them in C xenstored's order; `root` is the tree before the
 * change. Parents made on the way are not listed. A removal first fires the watches of the nodes
 * below, each with its own path, then those of the removed node and above.
 */
export function changedPaths(root: TreeNode, change: Change): readonly ChangedPath[] {
  const { path } = change;
  if (change.kind !== "remove") return [{ path, exact: false }];
  const removed = getNode(root, path) ?? missing(path);
  const below = pathsBelow(path, removed).map((each) => ({ path: each, exact: true }));
  return [...below, { path, exact: false }];
}

/** The tree with a new node at `path`, and with the missing nodes above it. */
function makeNode(
  root: TreeNode,
  path: string,
  value: Uint8Array | undefined,
  creator: number | undefined,
  generation: number,
): TreeNode {
  const above = parentPath(path);
  const known = getNode(root, above);
  if (known !== undefined) {
    return putNode(root, path, newNode(generation, inherited(known, creator), value));
  }
  const made = makeNode(root, above, undefined, creator, generation);
  return makeNode(made, path, value, creator, generation);
}

/** A new node has its parent's permissions, with the creator in the owner's place. */
function inherited(parent: TreeNode, creator: number | undefined): readonly NodePermission[] {
  const [owner, ...others] = parent.permissions;
  if (creator === undefined || owner === undefined) return parent.permissions;
  return [{ domid: creator, access: owner.access }, ...others];
}

function missing(path: string): never {
  throw new Error(`no node at ${path}`);
}
