// SPDX-License-Identifier: Apache-2.0
// The log files that a look is about: those in the store, and those that the daemon knows, whose nodes
// may be gone.

import { keyText, type LogfileKey, listLogfiles, listLogfilesOf } from "../../contract/index.ts";
import type { XenstoreOperations } from "../../xenstore/index.ts";
import type { LookScope } from "./look-queue.ts";

/** Each key once. */
export async function keysOf(
  scopes: readonly LookScope[],
  operations: XenstoreOperations,
  known: () => readonly LogfileKey[],
): Promise<readonly LogfileKey[]> {
  const found = await Promise.all(scopes.map((scope) => keysIn(scope, operations, known)));
  return [...new Map(found.flat().map((key) => [keyText(key), key])).values()];
}

async function keysIn(
  scope: LookScope,
  operations: XenstoreOperations,
  known: () => readonly LogfileKey[],
): Promise<readonly LogfileKey[]> {
  switch (scope.kind) {
    case "logfile":
      return [scope.key];
    case "owner": {
      const listed = await listLogfilesOf(operations, scope.owner);
      return [...listed, ...known().filter((key) => isOf(scope.owner, key))];
    }
    case "everything":
      return [...(await listLogfiles(operations)), ...known()];
  }
}

function isOf(owner: LogfileKey["owner"], { owner: other }: LogfileKey): boolean {
  if (owner.kind === "host" || other.kind === "host") return owner.kind === other.kind;
  return owner.domid === other.domid;
}
