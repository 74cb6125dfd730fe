// SPDX-License-Identifier: Apache-2.0
// The rotation of a log, decided without I/O. A log is a chain of files: `x.log` (live, index 0),
// `x.log.1` (newest copy) … `x.log.N` (oldest). Every step of a plan is one system call, and a plan
// made again after any interrupted step loses nothing: see `planRotation`.

export type RotationStep =
  | { readonly kind: "unlink"; readonly name: string }
  | { readonly kind: "rename"; readonly from: string; readonly to: string };

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

/**
 * The steps after which there is no live file, and room for one.
 *
 * The files move up into the lowest hole of the chain, and only when there is no hole is the oldest
 * removed. Each step moves the hole down by one:
 *
 *     .log .1 .2 .3   ->   .log .1 .2 _   ->   .log .1 _ .3   ->   .log _ .2 .3   ->   _ .1 .2 .3
 *
 * so whoever was interrupted plans again from what it finds and closes that hole. Shifting the whole
 * chain again instead would push one more copy out of it.
 */
export function planRotation(
  live: string,
  copies: number,
  exists: (index: number) => boolean,
): readonly RotationStep[] {
  if (!exists(0)) return [];
  if (copies === 0) return [{ kind: "unlink", name: live }];
  const steps: RotationStep[] = [];
  let hole = 1;
  while (hole <= copies && exists(hole)) hole += 1;
  if (hole > copies) {
    hole = copies;
    steps.push({ kind: "unlink", name: chainName(live, hole) });
  }
  for (let index = hole; index > 0; index -= 1) {
    steps.push({
      kind: "rename",
      from: chainName(live, index - 1),
      to: chainName(live, index),
    });
  }
  return steps;
}
