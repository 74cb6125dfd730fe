// SPDX-License-Identifier: Apache-2.0
// The store as text: JSON, values with one character a byte (latin1), so that any bytes survive
// and plain text can be read. Watches, transactions and connections are not part of it.

import { formatPermission, parsePermission } from "../permission.ts";
import { type Children, entriesOf, noChildren, setChild } from "./children.ts";
import { type Quotas, quotaDefaults } from "./quota.ts";
import { createStore, type Domain, type Store } from "./store.ts";
import type { NodePermission, TreeNode } from "./tree.ts";

const version = 1;

/** As an earlier version may have written it, without quotas. */
type StoredDomain = Omit<Domain, "quotas"> & { readonly quotas?: Quotas };

interface NodeText {
  readonly value?: string;
  /** Left out when they are the parent's. */
  readonly permissions?: readonly string[];
  readonly children?: Readonly<Record<string, NodeText>>;
}

/** formatSnapshot(store) is what parseSnapshot reads. */
export function formatSnapshot(store: Store): string {
  return JSON.stringify({
    version,
    domains: [...store.domains],
    special: [...store.specialPermissions].map(([path, list]) => [path, list.map(permissionText)]),
    quotas: store.quotas,
    root: nodeText(store.root, undefined),
  });
}

/** parseSnapshot(text) throws when `text` was not made by formatSnapshot. */
export function parseSnapshot(text: string): Store {
  const snapshot = JSON.parse(text) as {
    readonly version: number;
    readonly domains: readonly [number, StoredDomain][];
    readonly quotas?: Quotas;
    readonly special: readonly [string, readonly string[]][];
    readonly root: NodeText;
  };
  if (snapshot.version !== version) throw new Error(`unknown version ${snapshot.version}`);
  const store = createStore();
  store.quotas = { ...quotaDefaults, ...snapshot.quotas };
  store.domains = new Map(
    snapshot.domains.map(([domid, domain]) => [
      domid,
      { ...domain, quotas: { ...store.quotas, ...domain.quotas } },
    ]),
  );
  store.specialPermissions = new Map(
    snapshot.special.map(([path, list]) => [path, list.map(readPermission)]),
  );
  store.root = readNode(snapshot.root, store.root.permissions, store.generation);
  return store;
}

function nodeText(node: TreeNode, parent: TreeNode | undefined): NodeText {
  const { value, permissions, children } = node;
  return {
    ...(value.byteLength > 0 && { value: Buffer.from(value).toString("latin1") }),
    ...(permissions !== parent?.permissions && { permissions: permissions.map(permissionText) }),
    ...(children.count > 0 && { children: childrenText(node) }),
  };
}

function childrenText(node: TreeNode): Readonly<Record<string, NodeText>> {
  const texts = Array.from(
    entriesOf(node.children),
    ({ name, value }) => [name, nodeText(value, node)] as const,
  );
  return Object.fromEntries(texts);
}

function readNode(
  text: NodeText,
  inherited: readonly NodePermission[],
  generation: number,
): TreeNode {
  const permissions = text.permissions?.map(readPermission) ?? inherited;
  const children = Object.entries(text.children ?? {}).reduce<Children<TreeNode>>(
    (known, [name, child]) => setChild(known, name, readNode(child, permissions, generation)),
    noChildren(),
  );
  return { value: Buffer.from(text.value ?? "", "latin1"), permissions, generation, children };
}

function permissionText(permission: NodePermission): string {
  return formatPermission(permission) + (permission.ignored === true ? ignoredMark : "");
}

function readPermission(text: string): NodePermission {
  return text.endsWith(ignoredMark)
    ? { ...parsePermission(text.slice(0, -ignoredMark.length)), ignored: true }
    : parsePermission(text);
}

const ignoredMark = " ignored";
