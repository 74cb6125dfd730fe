// SPDX-License-Identifier: Apache-2.0
// What a client calls a node, as the absolute path by which the tree knows it.

import { isXenstoreError } from "../errors.ts";
import { parsePath, parseWatchPath } from "../path.ts";
import { createKnown } from "./known.ts";

/** resolvePath(text, domid, bytesMax) is the absolute path of a node, undefined where `text` is
 * none. What has no leading `/` is below the domain's own path. As in C xenstored only what follows
 * `/local/domain/<n>/` is counted (4.17, observed). */
export function resolvePath(text: string, domid: number, bytesMax: number): string | undefined {
  const absolute = absolutePath(text, domid);
  if (absolute === undefined || absolute.length <= bytesMax) return absolute;
  const uncounted = /^\/local\/domain\/\d{1,5}\//.exec(absolute)?.[0].length ?? 0;
  return absolute.length - uncounted > bytesMax ? undefined : absolute;
}

/** For any text of dom0, and what others say in full: to check a path costs more than a look. */
const knownPaths = createKnown<string>();

function absolutePath(text: string, domid: number): string | undefined {
  const isFull = text.startsWith("/");
  const isShared = isFull || domid === 0;
  const known = isShared ? knownPaths.get(text) : undefined;
  if (known !== undefined) return known;
  const path = check(text, parsePath);
  if (path === undefined) return undefined;
  const absolute = isFull ? path : `${domainPath(domid)}/${path}`;
  return isShared ? knownPaths.add(text, absolute) : absolute;
}

/** resolveWatchPath(text, domid, bytesMax) also takes special paths, `@…`, as they are. */
export function resolveWatchPath(
  text: string,
  domid: number,
  bytesMax: number,
): string | undefined {
  return text.startsWith("@") ? check(text, parseWatchPath) : resolvePath(text, domid, bytesMax);
}

/** isSpecialPath(path) is true if `path` names an event and not a node. */
export function isSpecialPath(path: string): boolean {
  return path.startsWith("@");
}

/** domainPath(domid) is where a domain's own nodes are. */
export function domainPath(domid: number): string {
  return `/local/domain/${domid}`;
}

function check(text: string, parse: (text: string) => string): string | undefined {
  try {
    return parse(text);
  } catch (error) {
    if (isXenstoreError(error, "EINVAL")) return undefined;
    throw error;
  }
}
