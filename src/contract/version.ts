// SPDX-License-Identifier: Apache-2.0
// The contract's version, as docs/contract.md heads it. A new optional node raises the second
// number; an incompatible change needs another directory than `logging`.

export const contractVersion = "1.2";
