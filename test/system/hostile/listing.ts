// SPDX-License-Identifier: Apache-2.0
// What is in directories and in the store, as text that two looks can be compared by.

import { createHash } from "node:crypto";
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { temporarySuffix } from "../../../src/program/index.ts";
import type { XenstoreClient, XenstoreOperations } from "../../../src/xenstore/index.ts";

/** Path to a line that says all about it. */
export type Listing = ReadonlyMap<string, string>;

/** Everything below the directories: type, mode, owner, links, inode, size, times, content. */
export function listFiles(...directories: readonly string[]): Listing {
  const found = new Map<string, string>();
  const visit = (path: string): void => {
    const stat = lstatSync(path, { bigint: true });
    found.set(path, lineOf(path, stat));
    if (!stat.isDirectory()) return;
    for (const name of readdirSync(path)) visit(`${path}/${name}`);
  };
  for (const directory of directories) visit(directory);
  return found;
}

/** Only the names: for directories in which the daemon keeps its own records. */
export function listNames(directory: string): Listing {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
  // What takes a file's place in a moment.
  const lasting = names.filter((name) => !name.endsWith(temporarySuffix));
  return new Map(lasting.map((name) => [`${directory}/${name}`, "is there"]));
}

function lineOf(path: string, stat: BigIntStats): string {
  const { mode, uid, gid, nlink, ino, size, mtimeNs, ctimeNs } = stat;
  const facts = `mode ${mode.toString(8)} owner ${uid}:${gid} links ${nlink} inode ${ino}`;
  return `${facts} size ${size} mtime ${mtimeNs} ctime ${ctimeNs} ${contentOf(path, stat)}`;
}

function contentOf(path: string, stat: BigIntStats): string {
  if (stat.isSymbolicLink()) return `-> ${readlinkSync(path)}`;
  if (!stat.isFile()) return "";
  return createHash("sha1").update(readFileSync(path)).digest("hex");
}

/** All nodes below a path with values and permissions, but for those that `isLeftOut`. */
export async function listNodes(
  client: XenstoreClient,
  root: string,
  isLeftOut: (path: string) => boolean = () => false,
): Promise<Listing> {
  const found = new Map<string, string>();
  await client.transaction(async (transaction) => {
    found.clear();
    await visitNode(transaction, root, isLeftOut, found);
  });
  return found;
}

async function visitNode(
  operations: XenstoreOperations,
  path: string,
  isLeftOut: (path: string) => boolean,
  found: Map<string, string>,
): Promise<void> {
  if (isLeftOut(path)) return;
  const names = await operations.directoryIfExists(path);
  if (names === undefined) return;
  const value = Buffer.from(await operations.readBytes(path)).toString("latin1");
  const permissions = await operations.getPermissions(path);
  found.set(path, JSON.stringify([value, ...permissions]));
  for (const name of names) {
    await visitNode(operations, `${path === "/" ? "" : path}/${name}`, isLeftOut, found);
  }
}

/** What differs, a line each; empty if nothing does. */
export function differences(before: Listing, now: Listing): readonly string[] {
  const paths = [...new Set([...before.keys(), ...now.keys()])].sort();
  return paths.flatMap((path) => {
    const [old, found] = [before.get(path), now.get(path)];
    if (old === found) return [];
    if (old === undefined) return [`${path} has appeared: ${found}`];
    return [found === undefined ? `${path} is gone` : `${path} was ${old}, is ${found}`];
  });
}
