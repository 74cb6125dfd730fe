// SPDX-License-Identifier: Apache-2.0
// The contract's nodes as they are in xenstore: list the log files, read one, judge its
// permissions. Read value and permissions in one transaction, or a guest may replace the node in
// between.

import type { XenstoreOperations, XenstorePermission } from "../xenstore/index.ts";
import { domidOfNode, logfileIdOfNode } from "./numbers.ts";
import type { LogNodes } from "./request.ts";
import {
  type LogfileKey,
  type LogOwner,
  libxlRoot,
  logfilePath,
  loggingPath,
  nodeNames,
  nodePath,
} from "./tree.ts";

/** Every log file there is, the host's first, in the order of their numbers. */
export async function listLogfiles(operations: XenstoreOperations): Promise<LogfileKey[]> {
  const names = (await operations.directoryIfExists(libxlRoot)) ?? [];
  const domids = names.map(domidOfNode).filter((domid) => domid !== undefined);
  const owners: LogOwner[] = domids
    .sort((a, b) => a - b)
    .map((domid) => ({ kind: "domain", domid }));
  if (names.includes("logging")) owners.unshift({ kind: "host" });
  // All at once: one turn of the connection for many owners.
  return (await Promise.all(owners.map((owner) => listLogfilesOf(operations, owner)))).flat();
}

/** The log files of one owner; none if it has no directory. */
export async function listLogfilesOf(
  operations: XenstoreOperations,
  owner: LogOwner,
): Promise<LogfileKey[]> {
  const names = (await operations.directoryIfExists(loggingPath(owner))) ?? [];
  const ids = names.map(logfileIdOfNode).filter((id) => id !== undefined);
  return ids.sort((a, b) => a - b).map((id) => ({ owner, id }));
}

/**
 * The nodes of one log file, or `undefined` if its directory is missing. Call it with a
 * transaction, so that the nodes belong to one request.
 */
export async function readNodes(
  operations: XenstoreOperations,
  key: LogfileKey,
): Promise<LogNodes | undefined> {
  const present = await operations.directoryIfExists(logfilePath(key));
  if (present === undefined) return undefined;
  const names = nodeNames.filter((name) => present.includes(name));
  // All at once: one turn of the connection instead of one a node.
  const values = await Promise.all(
    names.map((name) => operations.readIfExists(nodePath(key, name))),
  );
  const found = names.map((name, index) => [name, values[index]] as const);
  return Object.fromEntries(found.filter(([, value]) => value !== undefined));
}

/** Owned by dom0, and no other domain may write. The first entry's letter applies to all others. */
export function isTrusted(permissions: readonly XenstorePermission[]): boolean {
  const [owner, ...others] = permissions;
  if (owner === undefined || owner.domid !== 0 || mayWrite(owner)) return false;
  return others.every((other) => other.domid === 0 || !mayWrite(other));
}

/**
 * The first node of a log file that is not trusted, its directory included, or `undefined` if all
 * are, or none is there. Call it with the transaction that reads the nodes.
 */
export async function findUntrustedNode(
  operations: XenstoreOperations,
  key: LogfileKey,
): Promise<string | undefined> {
  const present = await operations.directoryIfExists(logfilePath(key));
  if (present === undefined) return undefined;
  const names = nodeNames.filter((name) => present.includes(name));
  const paths = [logfilePath(key), ...names.map((name) => nodePath(key, name))];
  const permissions = await Promise.all(paths.map((path) => operations.getPermissions(path)));
  return paths.find((_, index) => !isTrusted(permissions[index] ?? []));
}

function mayWrite(permission: XenstorePermission): boolean {
  return permission.access === "w" || permission.access === "b";
}
