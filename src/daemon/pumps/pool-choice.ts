// SPDX-License-Identifier: Apache-2.0
// Which stages a pump starts with, decided without I/O. A pool of stages is named after the device
// number of its file system, and belongs to what that file system is: the same disk may be mounted
// again under another number, and another disk under this one.

import { isUnique } from "../../kernel/index.ts";

/** A pool that no pump of this daemon uses. */
export interface IdlePool {
  readonly name: string;
  /** The file system that its bytes belong to; unknown if no pump has reported it. */
  readonly contents: string | undefined;
}

export interface PoolChoice {
  readonly name: string;
  /** What the pump has to find in its directory before it touches the stages; null: anything. */
  readonly contents: string | null;
}

/** What a pump has found in its directory that refused its stages; null if it could not look. */
export interface Found {
  readonly contents: string | null;
}

/**
 * The pool for the pump of `fileSystem`. Without `found` it is a guess that the pump verifies: the pool
 * of that device number, else one that waits for its disk. With `found` it is final.
 */
export function choosePool(
  fileSystem: string,
  idle: readonly IdlePool[],
  found: Found | undefined,
): PoolChoice {
  const ofDevice = idle.find(({ name }) => name === fileSystem);
  if (found === undefined) {
    const guess =
      ofDevice ?? idle.find(({ contents }) => contents !== undefined && isUnique(contents));
    if (guess !== undefined) return { name: guess.name, contents: guess.contents ?? null };
    return { name: fileSystem, contents: null };
  }
  const { contents } = found;
  const own = idle.find(
    (pool) => contents !== null && isUnique(contents) && pool.contents === contents,
  );
  if (own !== undefined) return { name: own.name, contents };
  // A directory that cannot be opened says nothing: the streams of this device wait in their pool.
  if (contents === null && ofDevice !== undefined) return { name: fileSystem, contents: null };
  return { name: freeName(fileSystem, idle), contents: null };
}

/** A name for new stages beside those of another disk. */
function freeName(fileSystem: string, idle: readonly IdlePool[]): string {
  let name = fileSystem;
  for (let count = 2; idle.some((pool) => pool.name === name); count += 1) {
    name = `${fileSystem}.${count}`;
  }
  return name;
}
