// SPDX-License-Identifier: Apache-2.0
// The requests on nodes: READ, WRITE, MKDIR, RM, DIRECTORY, DIRECTORY_PART, GET_PERMS, SET_PERMS.

import { decodeText, encodeStrings, payloadBytesMax } from "../message.ts";
import { formatPermission, parsePermission } from "../permission.ts";
import { isPrivileged } from "./access.ts";
import {
  type Call,
  currentRoot,
  findNode,
  leadingNumber,
  makeChange,
  nodePath,
  type Outcome,
  ok,
  onePath,
  quota,
  strings,
} from "./call.ts";
import { noChildren } from "./children.ts";
import { childNames, directoryPart } from "./listing.ts";
import { isSpecialPath } from "./names.ts";
import { countNodes, nodeSize } from "./quota.ts";
import { domainExists } from "./store.ts";
import { getNode, type NodePermission, parentPath, type TreeNode } from "./tree.ts";

export function read(call: Call): Outcome {
  const path = onePath(call);
  if (path === undefined) return "EINVAL";
  const node = findNode(call, path, "read");
  return typeof node === "string" ? node : node.value;
}

export function directory(call: Call): Outcome {
  const path = onePath(call);
  if (path === undefined) return "EINVAL";
  const node = findNode(call, path, "read");
  if (typeof node === "string") return node;
  const names = childNames(node);
  return names.byteLength > payloadBytesMax ? "E2BIG" : names;
}

export function directoryPartOf(call: Call): Outcome {
  const [text, offset, ...rest] = strings(call) ?? [];
  if (text === undefined || offset === undefined || rest.length > 0) return "EINVAL";
  const path = nodePath(call, text);
  if (path === undefined) return "EINVAL";
  const node = findNode(call, path, "read");
  return typeof node === "string" ? node : directoryPart(node, leadingNumber(offset));
}

export function write(call: Call): Outcome {
  const end = call.payload.indexOf(0);
  if (end === -1) return "EINVAL";
  const path = nodePath(call, decodeText(call.payload, end));
  if (path === undefined) return "EINVAL";
  const node = findNode(call, path, "write");
  if (typeof node === "string" && node !== "ENOENT") return node;
  const value = call.payload.subarray(end + 1);
  if (!isWithinQuota(call, path, value)) return "ENOSPC";
  makeChange(call, { kind: "write", path, value, creator: creatorOf(call) });
  return ok;
}

export function mkdir(call: Call): Outcome {
  const path = onePath(call);
  if (path === undefined) return "EINVAL";
  const node = findNode(call, path, "write");
  if (node === "ENOENT") {
    if (!isWithinQuota(call, path, new Uint8Array(0))) return "ENOSPC";
    makeChange(call, { kind: "write", path, value: undefined, creator: creatorOf(call) });
    return ok;
  }
  return typeof node === "string" ? node : ok;
}

export function remove(call: Call): Outcome {
  const path = onePath(call);
  if (path === undefined) return "EINVAL";
  const node = findNode(call, path, "write");
  if (node === "ENOENT") {
    // A missing node is no error if the node above it exists.
    return typeof findNode(call, parentPath(path), "read") === "string" ? "ENOENT" : ok;
  }
  if (typeof node === "string") return node;
  if (path === "/") return "EINVAL";
  makeChange(call, { kind: "remove", path });
  return ok;
}

export function getPermissions(call: Call): Outcome {
  const path = onePath(call);
  if (path === undefined) return "EINVAL";
  const node = findNode(call, path, "read");
  if (typeof node === "string") return node;
  return encodeStrings(...node.permissions.map(formatPermission));
}

export function setPermissions(call: Call): Outcome {
  const [text, ...entries] = strings(call) ?? [];
  if (text === undefined || entries.length === 0) return "EINVAL";
  if (entries.length > quota(call, "node-permissions")) return "ENOSPC";
  const permissions = parsePermissions(call, entries);
  if (permissions === undefined) return "EINVAL";
  const [owner] = permissions;
  if (owner === undefined || !domainExists(call.store, owner.domid)) return "ENOENT";
  if (isSpecialPath(text)) return setSpecialPermissions(call, text, permissions);

  const path = nodePath(call, text);
  if (path === undefined) return "EINVAL";
  const node = findNode(call, path, "own");
  if (typeof node === "string") return node;
  if (!isPrivileged(call.subject) && owner.domid !== node.permissions[0]?.domid) return "EPERM";
  if (nodeSize(node, { permissions }) >= quota(call, "node-size")) return "ENOSPC";
  makeChange(call, { kind: "permit", path, permissions });
  return ok;
}

/** Whether the client may write `value` there, and make the missing nodes above. */
function isWithinQuota(call: Call, path: string, value: Uint8Array): boolean {
  if (isPrivileged(call.subject)) return true;
  const root = currentRoot(call);
  const sizeMax = quota(call, "node-size");
  const existing = getNode(root, path);
  if (existing !== undefined) return nodeSize(existing, { value }) < sizeMax;
  let missing = 1;
  let child = path;
  let parent: TreeNode | undefined = getNode(root, parentPath(path));
  for (; parent === undefined; missing += 1) {
    child = parentPath(child);
    parent = getNode(root, parentPath(child));
  }
  const name = child.slice(child.lastIndexOf("/") + 1);
  const isSizeRight =
    nodeSize(parent, {}, name) < sizeMax &&
    nodeSize({ ...parent, children: noChildren() }, { value }) < sizeMax;
  const owned = countNodes(root).get(call.session.domid) ?? 0;
  return isSizeRight && owned + missing <= quota(call, "nodes");
}

const specialPaths: readonly string[] = ["@introduceDomain", "@releaseDomain"];

function setSpecialPermissions(
  call: Call,
  path: string,
  permissions: readonly NodePermission[],
): Outcome {
  if (!isPrivileged(call.subject)) return "EACCES";
  if (!specialPaths.includes(path)) return "EINVAL";
  const { store } = call;
  store.specialPermissions = new Map(store.specialPermissions).set(path, permissions);
  return ok;
}

/** Entries after the owner's may name domains that do not exist; they are kept without effect. */
function parsePermissions(
  call: Call,
  entries: readonly string[],
): readonly NodePermission[] | undefined {
  try {
    return entries.map((entry) => {
      const permission = parsePermission(entry);
      return domainExists(call.store, permission.domid)
        ? permission
        : { ...permission, ignored: true };
    });
  } catch {
    return undefined;
  }
}

/** A node that dom0 makes gets the owner of the node above. */
function creatorOf(call: Call): number | undefined {
  return isPrivileged(call.subject) ? undefined : call.session.domid;
}
