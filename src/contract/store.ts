// SPDX-License-Identifier: Apache-2.0
// The contract's nodes as they are in xenstore: list the log files, read one, judge its
// permissions. Read value and permissions in one transaction, or a guest may replace the node in
// between.

import {
  isXenstoreError,
  type XenstoreOperations,
  type XenstorePermission,
} from "../xenstore/index.ts";
import { domidOfNode, logfileIdOfNode } from "./numbers.ts";
import type { LogNodes } from "./request.ts";
import {
  type LogfileKey,
  type LogOwner,
  libxlRoot,
  logfilePath,
  loggingPath,
  type NodeName,
  nodeNames,
  nodePath,
  tracePaths,
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
  const values = await Promise.all(names.map((name) => readIfThere(operations, key, name)));
  const found = names.flatMap((name, index) => {
    const bytes = values[index];
    return bytes === undefined ? [] : [{ name, ...decode(bytes) }];
  });
  const notUtf8 = found.filter(({ isUtf8 }) => !isUtf8).map(({ name }) => name);
  const nodes = Object.fromEntries(found.map(({ name, text }) => [name, text]));
  return notUtf8.length === 0 ? nodes : { ...nodes, notUtf8 };
}

async function readIfThere(
  operations: XenstoreOperations,
  key: LogfileKey,
  name: NodeName,
): Promise<Uint8Array | undefined> {
  try {
    return await operations.readBytes(nodePath(key, name));
  } catch (error) {
    if (isXenstoreError(error, "ENOENT")) return undefined;
    throw error;
  }
}

/**
 * Removes the daemon's mark and directories in which there is nothing, if there are no log files. For
 * an embedded store that is about to be stopped.
 */
export async function removeTraces(operations: XenstoreOperations): Promise<void> {
  if ((await listLogfiles(operations)).length > 0) return;
  for (const path of tracePaths) {
    const children = await operations.directoryIfExists(path);
    if (children?.length === 0) await operations.rm(path);
  }
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

function decode(bytes: Uint8Array): { readonly text: string; readonly isUtf8: boolean } {
  try {
    return { text: strict.decode(bytes), isUtf8: true };
  } catch {
    return { text: lenient.decode(bytes), isUtf8: false };
  }
}

/**
 * Why a node is not trusted; `undefined` if it is owned by dom0 and no other domain may write it. The
 * first entry's letter applies to all others.
 */
export function distrustOf(permissions: readonly XenstorePermission[]): string | undefined {
  const [owner, ...others] = permissions;
  if (owner === undefined) return "it has no owner";
  if (owner.domid !== 0) return `domain ${owner.domid} owns it`;
  if (mayWrite(owner)) return "every domain may write it";
  const writer = others.find((other) => other.domid !== 0 && mayWrite(other));
  return writer && `domain ${writer.domid} may write it`;
}

export interface UntrustedNode {
  readonly path: string;
  readonly reason: string;
}

/**
 * The first node of a log file that is not trusted, its directory included, or `undefined` if all
 * are, or none is there. Call it with the transaction that reads the nodes.
 */
export async function findUntrustedNode(
  operations: XenstoreOperations,
  key: LogfileKey,
): Promise<UntrustedNode | undefined> {
  const present = await operations.directoryIfExists(logfilePath(key));
  if (present === undefined) return undefined;
  const names = nodeNames.filter((name) => present.includes(name));
  const paths = [logfilePath(key), ...names.map((name) => nodePath(key, name))];
  const permissions = await Promise.all(paths.map((path) => operations.getPermissions(path)));
  const reasons = permissions.map(distrustOf);
  const index = reasons.findIndex((reason) => reason !== undefined);
  const [path, reason] = [paths[index], reasons[index]];
  return path === undefined || reason === undefined ? undefined : { path, reason };
}

function mayWrite(permission: XenstorePermission): boolean {
  return permission.access === "w" || permission.access === "b";
}
