// SPDX-License-Identifier: Apache-2.0
// A log file's nodes in xenstore, written and removed in one transaction each. Empty parents are
// removed with the last log, except /libxl itself.

import {
  type Answer,
  type LogfileId,
  type LogfileKey,
  type LogNodes,
  type LogOwner,
  libxlPath,
  listLogfilesOf,
  logfileIdMax,
  logfilePath,
  loggingPath,
  nodeNames,
  nodePath,
  readAnswer,
} from "../contract/index.ts";
import type { XenstoreClient, XenstoreOperations } from "../xenstore/index.ts";
import { ToolstackError } from "./errors.ts";

/**
 * Writes a request under the owner's lowest free id from 1. `onAttempt` gets the key before the
 * commit: if the connection is lost then, the outcome is unknown.
 */
export function writeRequest(
  xenstore: XenstoreClient,
  owner: LogOwner,
  nodes: LogNodes,
  onAttempt: (key: LogfileKey) => void,
  signal: AbortSignal,
): Promise<LogfileKey> {
  return xenstore.transaction(
    async (transaction) => {
      const taken = await listLogfilesOf(transaction, owner);
      const key: LogfileKey = { owner, id: lowestFree(taken.map((other) => other.id)) };
      onAttempt(key);
      // All at once: one turn of the connection instead of one a node.
      await Promise.all(
        nodeNames.map(async (name) => {
          const value = nodes[name];
          if (value !== undefined) await transaction.write(nodePath(key, name), value);
        }),
      );
      return key;
    },
    { signal },
  );
}

/**
 * Removes a log file's nodes and returns the daemon's answer; a missing log is "gone", which is no
 * error. With `pipe`, only if the request names this FIFO: the id may have been reused.
 */
export function removeRequest(
  xenstore: XenstoreClient,
  key: LogfileKey,
  pipe?: string,
): Promise<Answer | "none" | "gone"> {
  return xenstore.transaction(async (transaction) => {
    const present = await transaction.readIfExists(nodePath(key, "pipe"));
    if (pipe !== undefined && present !== pipe) return "gone";
    const answer = await readAnswer(transaction, key, present ?? "");
    await transaction.rm(logfilePath(key));
    if (!(await removeIfEmpty(transaction, loggingPath(key.owner)))) return answer;
    if (key.owner.kind === "domain") await removeIfEmpty(transaction, libxlPath(key.owner.domid));
    return answer;
  });
}

async function removeIfEmpty(operations: XenstoreOperations, path: string): Promise<boolean> {
  const children = await operations.directoryIfExists(path);
  if (children === undefined) return true;
  if (children.length > 0 || (await operations.read(path)) !== "") return false;
  await operations.rm(path);
  return true;
}

/** `taken` in ascending order. */
function lowestFree(taken: readonly LogfileId[]): LogfileId {
  let free = 1;
  for (const id of taken) if (id === free) free += 1;
  if (free > logfileIdMax) throw new ToolstackError("full", "no free log file id is left");
  return free as LogfileId;
}
