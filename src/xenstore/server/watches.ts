// SPDX-License-Identifier: Apache-2.0
// The watches by path: the cost of an event depends on the depth of its path, not on the number of
// watches. Owner, path and token identify a watch.

import type { ChangedPath } from "./change.ts";
import { parentPath } from "./tree.ts";

export interface Watch<Owner> {
  readonly owner: Owner;
  /** Absolute, or special. */
  readonly path: string;
  readonly token: string;
  /** How much of an absolute path is left out in events: the watch was set with a relative one. */
  readonly prefixLength: number;
  /** How many levels below the path count; undefined: all. For a special path 1 asks for the
   * number of the domain. */
  readonly depth: number | undefined;
  /** Order of setting; events of one cause come in this order. */
  readonly serial: number;
}

export interface WatchIndex<Owner> {
  readonly byPath: Map<string, Set<Watch<Owner>>>;
  lastSerial: number;
}

export function createWatchIndex<Owner>(): WatchIndex<Owner> {
  return { byPath: new Map(), lastSerial: 0 };
}

/** addWatch(…) is the new watch, undefined when its owner has one of that path and token. */
export function addWatch<Owner>(
  index: WatchIndex<Owner>,
  owner: Owner,
  path: string,
  token: string,
  { prefixLength, depth }: Pick<Watch<Owner>, "prefixLength" | "depth">,
): Watch<Owner> | undefined {
  if (findWatch(index, owner, path, token) !== undefined) return undefined;
  index.lastSerial += 1;
  const watch = { owner, path, token, prefixLength, depth, serial: index.lastSerial };
  const watches = index.byPath.get(path);
  if (watches === undefined) index.byPath.set(path, new Set([watch]));
  else watches.add(watch);
  return watch;
}

/** findWatch(…) is the owner's watch of that path and token. */
export function findWatch<Owner>(
  index: WatchIndex<Owner>,
  owner: Owner,
  path: string,
  token: string,
): Watch<Owner> | undefined {
  for (const watch of index.byPath.get(path) ?? []) {
    if (watch.owner === owner && watch.token === token) return watch;
  }
  return undefined;
}

export function removeWatch<Owner>(index: WatchIndex<Owner>, watch: Watch<Owner>): void {
  const watches = index.byPath.get(watch.path);
  watches?.delete(watch);
  if (watches?.size === 0) index.byPath.delete(watch.path);
}

/** matchWatches(index, changed) lists the watches that a changed path concerns. */
export function matchWatches<Owner>(
  index: WatchIndex<Owner>,
  changed: ChangedPath,
): Watch<Owner>[] {
  const matches = [...(index.byPath.get(changed.path) ?? [])];
  if (!changed.exact && changed.path.startsWith("/")) {
    for (let path = changed.path, levels = 1; path !== "/"; levels += 1) {
      path = parentPath(path);
      for (const watch of index.byPath.get(path) ?? []) {
        if (watch.depth === undefined || levels <= watch.depth) matches.push(watch);
      }
    }
  }
  return matches.sort((one, other) => one.serial - other.serial);
}

/** eventPath(watch, path) is `path` in the form of the watch: relative if the watch is. */
export function eventPath<Owner>(watch: Watch<Owner>, path: string): string {
  return path.slice(watch.prefixLength);
}
