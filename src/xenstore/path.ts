// SPDX-License-Identifier: Apache-2.0
// The only place where text becomes a path. The rules are those that both of Xen's servers enforce
// (4.17, observed), stricter than docs/misc/xenstore.txt: `+` and `.` are refused.

import { XenstoreError } from "./errors.ts";

declare const xenstorePath: unique symbol;

/** A node's path that keeps the rules of parsePath. */
export type XenstorePath = string & { readonly [xenstorePath]: true };

/** XENSTORE_ABS_PATH_MAX of xs_wire.h. Servers have lower limits of their own: 2048 in C
 * xenstored, 1024 in oxenstored's stock configuration. */
const absolutePathBytesMax = 3072;

/** XENSTORE_REL_PATH_MAX of xs_wire.h. */
const relativePathBytesMax = 2048;

const pathCharacters = /^[A-Za-z0-9\-/_@]+$/;

/**
 * parsePath(text) checks the path of a node. A relative one (no leading `/`) is for servers below
 * the caller's own `/local/domain/<domid>`. Throws EINVAL.
 */
export function parsePath(text: string): XenstorePath {
  if (text.startsWith("@")) throw invalid(text, "@ starts the name of an event, not of a node");
  return checked(text);
}

/** parseWatchPath(text) checks the path of a watch: a node's path or a special one such as
 * `@releaseDomain`. Throws EINVAL. */
export function parseWatchPath(text: string): XenstorePath {
  return checked(text);
}

function checked(text: string): XenstorePath {
  const bytesMax = text.startsWith("/") ? absolutePathBytesMax : relativePathBytesMax;
  if (text === "") throw invalid(text, "a path must not be empty");
  if (text.length > bytesMax) throw invalid(text, `longer than ${bytesMax} bytes`);
  if (!pathCharacters.test(text)) throw invalid(text, "only A-Za-z0-9-/_@ are allowed");
  if (text.includes("//")) throw invalid(text, "a part of a path must not be empty");
  if (text.endsWith("/") && text !== "/") throw invalid(text, "a path must not end in /");
  return text as XenstorePath;
}

/** Quoted and shortened: the text comes from outside. */
function invalid(text: string, reason: string): XenstoreError {
  const shown = JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
  return new XenstoreError("EINVAL", `cannot use path ${shown}: ${reason}`, { path: text });
}
