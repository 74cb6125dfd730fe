// SPDX-License-Identifier: Apache-2.0
// The rotation of a log, decided without I/O. Every step is one system call, and a plan that is made
// again after any interrupted step loses nothing.

import { chainName } from "../files/index.ts";

export type RotationStep =
  | { readonly kind: "unlink"; readonly name: string }
  | { readonly kind: "rename"; readonly from: string; readonly to: string };

/**
 * The steps after which there is no live file, and room for one.
 *
 * The files move up into the lowest hole of the chain, and only when there is no hole is the oldest
 * removed. Each step moves the hole down by one:
 *
 *     .log .1 .2 .3   ->   .log .1 .2 _   ->   .log .1 _ .3   ->   .log _ .2 .3   ->   _ .1 .2 .3
 *
 * so after an interruption the same function, given the files as they are, closes that hole. Shifting the whole
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
