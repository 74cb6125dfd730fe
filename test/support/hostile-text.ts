// SPDX-License-Identifier: Apache-2.0
// Text that does harm on a terminal, and the check that none of it was printed.

import assert from "node:assert/strict";

/** No slash and no NUL: it can be a file's name and an argument. Ends as a forged line of ours would. */
export const hostileText =
  "x\x1b]0;t\x07\x1b[2J\r\x9b31m\x85\u2028\u2029\u202e\u2066\u200f\u200b\ufeff\u{e0041}\x7f\nxenlog: forged";

/** What a domain's name may have: no control character, no line end. */
export const hostileName = "x\u202e\u2066\u200f\u200b\u{e0041}y";

/** Asserts that a program's output has no unsafe character but the line feeds at its lines' ends. */
export function assertSafe(text: string): void {
  const found = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.exec(text)?.[0];
  const code = found?.codePointAt(0)?.toString(16);
  assert.equal(found, undefined, `U+${code} was printed: ${JSON.stringify(text)}`);
  const forged = text.split("\n").filter((line) => line.startsWith("xenlog: forged"));
  assert.deepEqual(forged, [], "a line was forged");
}
