// SPDX-License-Identifier: Apache-2.0
// A case as data, and the two words in which its table says that a server differs.

import type { DifferenceName } from "./differences.ts";

/** What the servers named by a difference answer instead; undefined: the step is not played. */
export interface Otherwise {
  readonly difference: DifferenceName;
  readonly lines: readonly string[] | undefined;
}

/** `anything`: the lines do not matter here, another step shows what came of it. */
export type Row = readonly [
  step: string,
  ...expected: (string | Otherwise | { readonly anything: true })[],
];

export interface Case {
  readonly name: string;
  readonly rows: readonly Row[];
}

export function otherwise(difference: DifferenceName, ...lines: string[]): Otherwise {
  return { difference, lines };
}

/** notPlayed(difference): the step would make the server useless for the rest of the suite. */
export function notPlayed(difference: DifferenceName): Otherwise {
  return { difference, lines: undefined };
}
