// SPDX-License-Identifier: Apache-2.0
// Checks paths of FIFOs and logs without a file system. The code that opens one must still stay
// beneath the root and follow no link.

import { ContractError, quote } from "./errors.ts";

/** Fits a xenstore value on every server (2048), with room for suffixes of a log's name. */
export const pathBytesMax = 1024;
/** NAME_MAX of Linux is 255; rotation adds `.1000`, side files a dot and a suffix. */
export const fileNameBytesMax = 220;

/** An absolute path without anything to resolve, such as `/run/xen/a`; throws ContractError. */
export function parsePath(text: string, what: string): string {
  const fault = faultOf(text);
  if (fault === undefined) return text;
  throw new ContractError("syntax", `${what} is ${quote(text)}; ${fault}`);
}

/**
 * The part of `path` below the directory `root`; `undefined` if it is not strictly below, or if
 * `parsePath` would refuse it. `/var/run` and `/run` are one directory.
 */
export function relativeBelow(path: string, root: string): string | undefined {
  if (faultOf(path) !== undefined) return undefined;
  const base = `${canonicalRun(root.replace(/\/+$/, ""))}/`;
  const canonical = canonicalRun(path);
  return canonical.startsWith(base) ? canonical.slice(base.length) : undefined;
}

function faultOf(text: string): string | undefined {
  if (!text.startsWith("/")) return "it must be an absolute path";
  if (Buffer.byteLength(text) > pathBytesMax)
    return `it must be at most ${pathBytesMax} bytes long`;
  if (/[\p{Cc}\p{Cs}]/u.test(text)) return "it must not contain control characters";
  const components = text.slice(1).split("/");
  if (components.includes("")) return "it must not contain // or end with a slash";
  if (components.some((component) => component === "." || component === "..")) {
    return "it must not contain . or .. as a component";
  }
  if (components.some((component) => Buffer.byteLength(component) > fileNameBytesMax)) {
    return `no component may be longer than ${fileNameBytesMax} bytes`;
  }
  return undefined;
}

// /var/run is a link to /run wherever /run exists, and Xen is built with either spelling.
function canonicalRun(path: string): string {
  return path === "/var/run" || path.startsWith("/var/run/") ? path.slice("/var".length) : path;
}
