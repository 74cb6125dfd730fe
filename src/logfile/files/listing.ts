// SPDX-License-Identifier: Apache-2.0
// Names in a directory that may belong to a chain, listed once for all logs that are opened there at about the
// same time: a thousand opens that each list a thousand names take seconds.

import { fstatSync, readdirSync } from "node:fs";

/** Of a dot file beside the log; one that an interruption left is removed at the next start. */
const temporarySuffix = ".trim";

/** So long a listing serves. */
const listingMsMax = 50;

interface Listing {
  readonly listedAtMs: number;
  readonly names: readonly string[];
}

/** By the directory's identity; a later directory may have the inode of an earlier one. */
const listings: Map<string, Listing> = new Map();

/** Name under which the last lines of a file are collected. */
export function temporaryName(name: string): string {
  return `.${name}${temporarySuffix}`;
}

/** The file for which that is the temporary name. */
export function temporaryOf(name: string): string | undefined {
  const isTemporary = name.startsWith(".") && name.endsWith(temporarySuffix);
  return isTemporary ? name.slice(1, -temporarySuffix.length) : undefined;
}

/**
 * Names like `x.log.7` and `.x.log.trim`, of all logs in the directory, as they were at most 50 ms ago. What came
 * since may be missing, as if it had come after this call.
 */
export function listChainNames(directoryFd: number): readonly string[] {
  const { dev, ino, birthtimeMs } = fstatSync(directoryFd);
  const key = `${dev}:${ino}:${birthtimeMs}`;
  const now = performance.now();
  const known = listings.get(key);
  if (known !== undefined && now - known.listedAtMs < listingMsMax) return known.names;
  for (const [other, { listedAtMs }] of listings) {
    if (now - listedAtMs >= listingMsMax) listings.delete(other);
  }
  const names = readdirSync(`/proc/self/fd/${directoryFd}`).filter(isOfChain);
  listings.set(key, { listedAtMs: now, names });
  return names;
}

function isOfChain(name: string): boolean {
  return /\.[0-9]+$/.test(name) || temporaryOf(name) !== undefined;
}
