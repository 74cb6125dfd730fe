// SPDX-License-Identifier: Apache-2.0
// The log files that a look is about: those in the store, and those of the daemon's streams, whose
// nodes may be gone.

import {
  keyText,
  type LogfileKey,
  listLogfiles,
  listLogfilesOf,
  parseKeyText,
} from "../../contract/index.ts";
import type { XenstoreOperations } from "../../xenstore/index.ts";
import type { Streams } from "../streams/index.ts";
import type { LookScope } from "./look-queue.ts";

/** Each key once. */
export async function keysOf(
  scopes: readonly LookScope[],
  operations: XenstoreOperations,
  streams: Streams,
): Promise<readonly LogfileKey[]> {
  const found = await Promise.all(scopes.map((scope) => keysIn(scope, operations, streams)));
  return [...new Map(found.flat().map((key) => [keyText(key), key])).values()];
}

async function keysIn(
  scope: LookScope,
  operations: XenstoreOperations,
  streams: Streams,
): Promise<readonly LogfileKey[]> {
  switch (scope.kind) {
    case "logfile":
      return [scope.key];
    case "owner": {
      const listed = await listLogfilesOf(operations, scope.owner);
      return [...listed, ...keysOfStreams(streams).filter((key) => isOf(scope.owner, key))];
    }
    case "everything":
      return [...(await listLogfiles(operations)), ...keysOfStreams(streams)];
  }
}

function keysOfStreams(streams: Streams): readonly LogfileKey[] {
  return streams.live
    .map(({ record }) => parseKeyText(record.key))
    .filter((key) => key !== undefined);
}

function isOf(owner: LogfileKey["owner"], { owner: other }: LogfileKey): boolean {
  if (owner.kind === "host" || other.kind === "host") return owner.kind === other.kind;
  return owner.domid === other.domid;
}
