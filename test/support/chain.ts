// SPDX-License-Identifier: Apache-2.0
// The files of a log as a reader finds them on disk.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** Paths of a log's files, oldest first. */
export function chainOf(file: string): string[] {
  const name = basename(file);
  const copies = readdirSync(dirname(file))
    .filter((entry) => entry.startsWith(`${name}.`))
    .map((entry) => Number(entry.slice(name.length + 1)))
    .filter((index) => index > 0)
    .sort((a, b) => b - a);
  return [...copies.map((index) => `${file}.${index}`), file];
}

/** All that the log holds, oldest byte first. */
export function wholeLog(file: string): Buffer {
  return Buffer.concat(chainOf(file).map((path) => readFileSync(path)));
}

/** Sizes of the log's files in bytes, oldest first. */
export function chainSizes(file: string): number[] {
  return chainOf(file).map((path) => statSync(path).size);
}

/** Everything below a directory but the directories themselves. */
export function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}
