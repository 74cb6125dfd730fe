// SPDX-License-Identifier: Apache-2.0
//
// The types of leftovers.mjs, for contained-tests.ts.

export interface Place {
  readonly name: string;
  readonly directories: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export function makePlace(): Place;
export function takeLeftovers(place: Place): Promise<readonly string[]>;
export function removePlace(place: Place): readonly string[];
