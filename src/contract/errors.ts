// SPDX-License-Identifier: Apache-2.0
// The one error of this folder: a text from outside breaks a rule. The message is one printable
// line: what was wrong, with which value, and what would be right.

import { escapeCharacter } from "../program/portable/index.ts";

/** `syntax`: not of the right form. `range`: of the right form, but too small or too large. */
export type ContractErrorCode = "syntax" | "range";

export class ContractError extends Error {
  readonly code: ContractErrorCode;

  constructor(code: ContractErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ContractError";
    this.code = code;
  }
}

// Long enough for any plausible value, short enough for a line in a terminal.
const quotedCharactersMax = 80;

// Everything that is not printable ASCII: other characters could move a cursor, break the line of the
// message, or look like another character.
const unprintable = /[^ -~]/gu;

/** The value in double quotes, printable and cut to a readable length. */
export function quote(text: string): string {
  const characters = [...text];
  const cut = characters.length > quotedCharactersMax;
  const shown = cut ? characters.slice(0, quotedCharactersMax).join("") : text;
  return `"${shown.replace(/["\\]/g, "\\$&").replace(unprintable, escapeCharacter)}${cut ? "..." : ""}"`;
}

/** A text in printable ASCII, other characters as `\u{1f600}`. */
export function toAscii(text: string): string {
  return text.replace(unprintable, escapeCharacter);
}
