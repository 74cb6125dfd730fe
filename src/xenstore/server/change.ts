// SPDX-License-Identifier: Apache-2.0
// A change to the tree as a value, so that a transaction can make it on its own tree at once
// and on the store's tree at its commit. Whether it is allowed was decided before.

import {
  emptyNode,
  getNode,
  type NodePermission,
  parentPath,
  putNode,
  removeNode,
  type TreeNode,
  walkTree,
} from "./tree.ts";

export type Change =
  | {
      readonly kind: "write";
      readonly path: string;
      /** undefined makes the node and leaves an existing one as it is. */
      readonly value: Uint8Array | undefined;
      /** Owner of what is made on the way; undefined: the owner of the node above. */
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
  switch (change.kind) {
    case "write": {
      const made = makeNode(root, path, change.creator, generation);
      if (change.value === undefined) return made;
      return putNode(made, path, { ...nodeAt(made, path), value: change.value, generation });
    }
    case "remove":
      return bumpGeneration(removeNode(root, path), parentPath(path), generation);
    case "permit":
      return putNode(root, path, {
        ...nodeAt(root, path),
        permissions: change.permissions,
        generation,
      });
  }
}

/** What a change makes watches look at: `exact` concerns only watches of that very path. */
export interface ChangedPath {
  readonly path: string;
  readonly exact: boolean;
}

/**
 * changedPaths(root, change) lists them in C xenstored's order; `root` is the tree before the
 * change. Parents made on the way are not listed. Below a removed node the watched nodes
 * themselves are told, each by its own path, before the watches above hear of the removed one.
 */
export function* changedPaths(root: TreeNode, change: Change): Generator<ChangedPath> {
  if (change.kind === "remove") {
    for (const [path] of walkTree(change.path, nodeAt(root, change.path))) {
      if (path !== change.path) yield { path, exact: true };
    }
  }
  yield { path: change.path, exact: false };
}

/** The tree with a node at `path`, and above it wherever one was missing. */
function makeNode(
  root: TreeNode,
  path: string,
  creator: number | undefined,
  generation: number,
): TreeNode {
  if (getNode(root, path) !== undefined) return root;
  const above = parentPath(path);
  const made = makeNode(root, above, creator, generation);
  const parent = nodeAt(made, above);
  const node = emptyNode(generation, inherited(parent, creator));
  return putNode(bumpGeneration(made, above, generation), path, node);
}

/** A new node has its parent's permissions, with the creator in the owner's place. */
function inherited(parent: TreeNode, creator: number | undefined): readonly NodePermission[] {
  const [owner, ...others] = parent.permissions;
  if (creator === undefined || owner === undefined) return parent.permissions;
  return [{ domid: creator, access: owner.access }, ...others];
}

function bumpGeneration(root: TreeNode, path: string, generation: number): TreeNode {
  return putNode(root, path, { ...nodeAt(root, path), generation });
}

function nodeAt(root: TreeNode, path: string): TreeNode {
  const node = getNode(root, path);
  if (node === undefined) throw new Error(`no node at ${path}`);
  return node;
}
