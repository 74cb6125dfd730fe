// SPDX-License-Identifier: Apache-2.0
// Turns a client's path into the absolute path that the tree uses.

import { isXenstoreError } from "../errors.ts";
import { parsePath, parseWatchPath } from "../path.ts";
import { createMemo } from "./memo.ts";

/** resolvePath(text, domid, bytesMax) is the absolute path of a node, undefined where `text` is
 * none. What has no leading `/` is below the domain's own path. As in C xenstored only what follows
 * `/local/domain/<n>/` is counted (4.17, observed). */
export function resolvePath(text: string, domid: number, bytesMax: number): string | undefined {
  const absolute = absolutePath(text, domid);
  if (absolute === undefined || absolute.length <= bytesMax) return absolute;
  const uncounted = /^\/local\/domain\/\d{1,5}\//.exec(absolute)?.[0].length ?? 0;
  return absolute.length - uncounted > bytesMax ? undefined : absolute;
}

/** For all paths of dom0 and absolute ones of other domains: a check costs more than a look-up. */
const pathMemo = createMemo<string>();

function absolutePath(text: string, domid: number): string | undefined {
  const isFull = text.startsWith("/");
  const isShared = isFull || domid === 0;
  const known = isShared ? pathMemo.get(text) : undefined;
  if (known !== undefined) return known;
  const path = check(text, parsePath);
  if (path === undefined) return undefined;
  const absolute = isFull ? path : `${domainPath(domid)}/${path}`;
  return isShared ? pathMemo.add(text, absolute) : absolute;
}

/** resolveWatchPath(text, domid, bytesMax) also accepts special paths, `@…`, unchanged. */
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

/** domainPath(domid) is the directory of a domain's own nodes. */
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
