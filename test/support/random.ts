// SPDX-License-Identifier: Apache-2.0
// Random instants that come again: a failed run is repeated by its seed.

/** The seed of this run: XENLOGD_TEST_SEED, or another one each time. */
export function tortureSeed(): number {
  return Number(process.env["XENLOGD_TEST_SEED"] ?? (Date.now() % 2 ** 31) + 1);
}

/** xorshift32, 0 ≤ x < 1. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
