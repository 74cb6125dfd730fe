// SPDX-License-Identifier: Apache-2.0
//
// The types of lock.mjs, for the tests' support code.

export function withLock<T>(
  root: string,
  name: string,
  onWait: () => void,
  work: (descriptor: number) => Promise<T>,
): Promise<T>;
