// SPDX-License-Identifier: Apache-2.0
// One request while it is handled: its client, its transaction and the events that it causes. Holds
// the rules that all requests share: how arguments are split, which nodes a client may see, which
// watches a change fires.

import type { WireErrorCode } from "../errors.ts";
import { decodeStrings, decodeText } from "../message.ts";
import { type Access, isPrivileged, mayAccess, type Subject } from "./access.ts";
import { applyChange, type Change, type ChangedPath, changedPaths } from "./change.ts";
import { growthOf } from "./growth.ts";
import { resolvePath, resolveWatchPath } from "./names.ts";
import { limitOf, type QuotaName } from "./quota.ts";
import { quotasOf, type Session, type Store } from "./store.ts";
import { change, type Transaction, touch } from "./transaction.ts";
import { getNode, parentPath, type TreeNode } from "./tree.ts";
import { eventPath, matchWatches } from "./watches.ts";

export interface Call {
  readonly store: Store;
  readonly session: Session;
  readonly subject: Subject;
  readonly transaction: Transaction | undefined;
  readonly payload: Uint8Array;
  /** Events to send before the reply, as C xenstored does for what a request causes. */
  readonly eventsBefore: Event[];
  /** Events to send after it: the first one of a new watch, and those of a release. */
  readonly eventsAfter: Event[];
}

export interface Event {
  readonly session: Session;
  readonly path: string;
  readonly token: string;
  /** May be left out while an equal one is queued. */
  readonly mergeable: boolean;
}

/** The payload of a reply, or an error. */
export type Outcome = Uint8Array | WireErrorCode;

export const ok: Uint8Array = Buffer.from("OK\0");

/** oneString(call) is the payload's only string, which must end in its only NUL. */
export function oneString(call: Call): string | undefined {
  const { payload } = call;
  const end = payload.indexOf(0);
  return end === -1 || end !== payload.byteLength - 1 ? undefined : decodeText(payload, end);
}

/** strings(call) splits the payload; undefined where the last string is not terminated. */
export function strings(call: Call): string[] | undefined {
  return call.payload.at(-1) === 0 ? decodeStrings(call.payload) : undefined;
}

/** onePath(call) is the payload's only string as an absolute path. */
export function onePath(call: Call): string | undefined {
  const text = oneString(call);
  return text === undefined ? undefined : nodePath(call, text);
}

/** C xenstored 4.17 bounds dom0's paths too. */
const pathBytesMax = 2048;

/** nodePath(call, text) is the absolute path of a node, undefined where `text` is none. */
export function nodePath(call: Call, text: string): string | undefined {
  return resolvePath(text, call.session.domid, Math.min(pathBytesMax, quota(call, "path-max")));
}

/**
 * watchPath(call, text) is the absolute or special path of a watch, undefined where `text` is none.
 */
export function watchPath(call: Call, text: string): string | undefined {
  const bytesMax = Math.min(pathBytesMax, quota(call, "path-max"));
  return resolveWatchPath(text, call.session.domid, bytesMax);
}

/** quota(call, name) is the client's limit. */
export function quota(call: Call, name: QuotaName): number {
  if (isPrivileged(call.subject)) return Number.POSITIVE_INFINITY;
  return limitOf(quotasOf(call.store, call.session.domid), name);
}

/** currentRoot(call) is the tree that the request is about. */
export function currentRoot(call: Call): TreeNode {
  const { store, transaction } = call;
  return transaction === undefined ? store.root : transaction.view.root;
}

/**
 * findNode(call, path, access) is the node if it exists and the client has that access. For a
 * missing node the client gets ENOENT if it has the access to the nearest node above, else EACCES.
 */
export function findNode(call: Call, path: string, access: Access): TreeNode | WireErrorCode {
  const { transaction } = call;
  if (transaction !== undefined) {
    const { touched, changes } = transaction;
    const most = quota(call, "transaction-nodes");
    const isNew = !touched.has(path);
    // C xenstored accepts more changes of the same nodes; here each change is kept for the commit.
    if ((isNew && touched.size >= most) || (access !== "read" && changes.length >= most)) {
      transaction.hasFailed = true;
      return "ENOSPC";
    }
    touch(transaction, call.store.root, path);
  }
  const root = currentRoot(call);
  let node = getNode(root, path);
  if (node !== undefined)
    return mayAccess(call.subject, node.permissions, access) ? node : "EACCES";
  for (let above = path; node === undefined; node = getNode(root, above)) above = parentPath(above);
  // Write access above is enough to learn that a node is missing (errno_from_parents).
  const needed = access === "own" ? "write" : access;
  return mayAccess(call.subject, node.permissions, needed) ? "ENOENT" : "EACCES";
}

/** makeChange(call, made) changes the transaction's tree, or the store's tree at once. */
export function makeChange(call: Call, made: Change): void {
  const { store, transaction } = call;
  if (transaction === undefined) {
    changeStore(call, made);
    return;
  }
  store.generation += 1;
  change(transaction, store.root, made, store.generation);
}

/** changeStore(call, made) changes the store's tree and fires the watches. */
export function changeStore(call: Call, made: Change): void {
  const { store } = call;
  store.generation += 1;
  const before = store.root;
  store.addedBytes += growthOf(before, made);
  store.root = applyChange(before, made, store.generation);
  // C xenstored fires the watches in a removed subtree while the nodes above still exist.
  const above = made.kind === "remove" ? before : store.root;
  if (store.watches.byPath.size > 0) fireWatches(call, before, changedPaths(before, made), above);
}

/** fireWatches(call, before, changed, above) queues the events; `before` is the tree before the
 * change, `above` the tree that has the nodes above the changed ones. */
export function fireWatches(
  call: Call,
  before: TreeNode,
  changed: readonly ChangedPath[],
  above: TreeNode = call.store.root,
): void {
  const { store } = call;
  if (store.watches.byPath.size === 0) return;
  for (const changedPath of changed) {
    for (const watch of matchWatches(store.watches, changedPath)) {
      const watcher = subjectOf(store, watch.owner);
      const isAllowed =
        isPrivileged(watcher) ||
        mayReadAny(watcher, [
          getNode(before, changedPath.path),
          getNode(store.root, changedPath.path),
          getNode(above, parentPath(changedPath.path)),
        ]);
      if (!isAllowed) continue;
      const path = eventPath(watch, changedPath.path);
      call.eventsBefore.push({ session: watch.owner, path, token: watch.token, mergeable: true });
    }
  }
}

/** A watcher needs read access to the node or to the one above, after or before the change
 * (watch_permitted of xenstored_watch.c). */
function mayReadAny(watcher: Subject, nodes: readonly (TreeNode | undefined)[]): boolean {
  return nodes.some((node) => node !== undefined && mayAccess(watcher, node.permissions, "read"));
}

/** fireSpecial(call, path, domid) queues the events of `@introduceDomain` or `@releaseDomain`; a
 * watch with a depth gets the domain's number. C xenstored does not merge them. */
export function fireSpecial(call: Call, special: string, domid: number): void {
  const { store } = call;
  const permissions = store.specialPermissions.get(special);
  const named = `${special}/${domid}`;
  const watches = [special, named].flatMap((path) =>
    matchWatches(store.watches, { path, exact: true }),
  );
  for (const { owner: session, token, path: watched, depth } of watches) {
    const path = watched === special && depth === undefined ? special : named;
    const watcher = subjectOf(store, session);
    const allowed =
      isPrivileged(watcher) ||
      (permissions !== undefined && mayAccess(watcher, permissions, "read"));
    if (allowed) call.eventsBefore.push({ session, path, token, mergeable: false });
  }
}

export function subjectOf(store: Store, session: Session): Subject {
  const { domid } = session;
  return { domid, targetDomid: store.domains.get(domid)?.targetDomid };
}

/** leadingNumber(text) reads a number as C's atoi does, as 32 bits without a sign: xenstored takes
 * `x` for 0 and `-1` for 4294967295 (4.17, observed). */
export function leadingNumber(text: string): number {
  return Number(/^\s*[+-]?\d{1,15}/.exec(text)?.[0] ?? 0) >>> 0;
}
