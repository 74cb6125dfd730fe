// SPDX-License-Identifier: Apache-2.0
// The names of a log's files. A log is a chain: `x.log` (live, index 0), `x.log.1` (newest copy) …
// `x.log.N` (oldest).

/** Name of the file at an index of the chain. */
export function chainName(live: string, index: number): string {
  return index === 0 ? live : `${live}.${index}`;
}

/**
 * The index of a file name in the chain of `live`: 0 for the live file, `undefined` for a file that
 * is not part of it. `x.log.01` is not: it would be a second name for index 1.
 */
export function chainIndex(live: string, name: string): number | undefined {
  if (name === live) return 0;
  if (!name.startsWith(`${live}.`)) return undefined;
  const digits = name.slice(live.length + 1);
  return /^[1-9][0-9]{0,8}$/.test(digits) ? Number(digits) : undefined;
}
