// SPDX-License-Identifier: Apache-2.0
// A transaction: its own tree, the nodes that it touched and the changes that it made. As in C
// xenstored it conflicts if a node that it touched was written outside since then, even with the
// same value; a missing node can be touched too. It sees outside changes of nodes that it has not
// touched yet, as there, but only while there is no conflict, so that its reads never mix two
// times.

import { applyChange, type Change, type ChangedPath, changedPaths } from "./change.ts";
import { getNode, parentPath, pathsBelow, type TreeNode } from "./tree.ts";

export interface Transaction {
  readonly id: number;
  /** `base` is the store's tree at some time, `root` the same with the changes made here. */
  view: { readonly base: TreeNode; readonly root: TreeNode };
  /** Path → generation in `base`, undefined where there was no node; in order of first touch. */
  readonly touched: Map<string, number | undefined>;
  readonly changes: MadeChange[];
  /** Path → exact, as in ChangedPath. */
  readonly changedPaths: Map<string, boolean>;
  /** It touched more nodes than its domain may: it cannot be committed. */
  hasFailed: boolean;
}

interface MadeChange {
  readonly change: Change;
  readonly generation: number;
}

export function createTransaction(id: number, live: TreeNode): Transaction {
  const view = { base: live, root: live };
  return { id, view, touched: new Map(), changes: [], changedPaths: new Map(), hasFailed: false };
}

/** touch(transaction, live, path) makes the outcome depend on the node at `path`, and where it
 * is missing, on the nodes above up to the first that exists. */
export function touch(transaction: Transaction, live: TreeNode, path: string): void {
  let touched = path;
  remember(transaction, live, touched);
  while (getNode(transaction.view.root, touched) === undefined) {
    touched = parentPath(touched);
    remember(transaction, live, touched);
  }
}

/** change(transaction, live, change, generation) makes a change inside. */
export function change(
  transaction: Transaction,
  live: TreeNode,
  made: Change,
  generation: number,
): void {
  const { path } = made;
  touch(transaction, live, path);
  if (made.kind === "remove") {
    remember(transaction, live, parentPath(path));
    const removed = getNode(transaction.view.root, path);
    if (removed !== undefined) {
      for (const below of pathsBelow(path, removed)) remember(transaction, live, below);
    }
  }
  const { base, root } = transaction.view;
  for (const changed of changedPaths(root, made)) {
    transaction.changedPaths.set(changed.path, changed.exact);
  }
  transaction.changes.push({ change: made, generation });
  transaction.view = { base, root: applyChange(root, made, generation) };
}

export interface Commit {
  readonly root: TreeNode;
  /**
   * In the order in which the nodes were first touched; without nodes that were made and removed
   * inside.
   */
  readonly changedPaths: readonly ChangedPath[];
}

/** commit(transaction, live) is the store's new tree, undefined on a conflict. */
export function commit(transaction: Transaction, live: TreeNode): Commit | undefined {
  const root = carryOver(transaction, live);
  if (root === undefined) return undefined;
  const changed: ChangedPath[] = [];
  for (const path of transaction.touched.keys()) {
    const exact = transaction.changedPaths.get(path);
    if (exact === undefined) continue;
    if (getNode(live, path) === undefined && getNode(root, path) === undefined) continue;
    changed.push({ path, exact });
  }
  return { root, changedPaths: changed };
}

/** `live` with the transaction's changes, undefined when a node it touched has changed. */
function carryOver(transaction: Transaction, live: TreeNode): TreeNode | undefined {
  const { view, touched, changes } = transaction;
  if (view.base === live) return view.root;
  for (const [path, generation] of touched) {
    if (getNode(live, path)?.generation !== generation) return undefined;
  }
  // Nothing it touched has changed, so making its changes again has the same outcome.
  return changes.reduce((tree, made) => applyChange(tree, made.change, made.generation), live);
}

function remember(transaction: Transaction, live: TreeNode, path: string): void {
  if (transaction.touched.has(path)) return;
  if (getNode(transaction.view.base, path) !== getNode(live, path)) {
    const root = carryOver(transaction, live);
    if (root !== undefined) transaction.view = { base: live, root };
  }
  transaction.touched.set(path, getNode(transaction.view.base, path)?.generation);
}
