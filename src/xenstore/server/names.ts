// SPDX-License-Identifier: Apache-2.0
// What a client calls a node, as the absolute path by which the tree knows it.

import { isXenstoreError } from "../errors.ts";
import { parsePath, parseWatchPath } from "../path.ts";

/** C xenstored counts only what follows `/local/domain/<n>/`, up to this (4.17, observed). */
const countedPathBytesMax = 2048;

/** resolvePath(text, domid) is the absolute path of a node, undefined where `text` is none.
 * What has no leading `/` is below the domain's own path. */
export function resolvePath(text: string, domid: number): string | undefined {
  return resolve(text, domid, parsePath);
}

/** resolveWatchPath(text, domid) also takes special paths, `@…`, as they are. */
export function resolveWatchPath(text: string, domid: number): string | undefined {
  return text.startsWith("@") ? check(text, parseWatchPath) : resolve(text, domid, parsePath);
}

/** isSpecialPath(path) tells whether `path` names an event and no node. */
export function isSpecialPath(path: string): boolean {
  return path.startsWith("@");
}

/** domainPath(domid) is where a domain's own nodes are. */
export function domainPath(domid: number): string {
  return `/local/domain/${domid}`;
}

function resolve(text: string, domid: number, parse: (text: string) => string): string | undefined {
  const path = check(text, parse);
  if (path === undefined) return undefined;
  const absolute = path.startsWith("/") ? path : `${domainPath(domid)}/${path}`;
  const uncounted = /^\/local\/domain\/\d{1,5}\//.exec(absolute)?.[0].length ?? 0;
  return absolute.length - uncounted > countedPathBytesMax ? undefined : absolute;
}

function check(text: string, parse: (text: string) => string): string | undefined {
  try {
    return parse(text);
  } catch (error) {
    if (isXenstoreError(error, "EINVAL")) return undefined;
    throw error;
  }
}
