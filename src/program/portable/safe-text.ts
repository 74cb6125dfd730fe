// SPDX-License-Identifier: Apache-2.0
// Makes text safe for a terminal: names, paths and sentences come from guests and other programs, and
// could move the cursor, forge a line or turn the direction of writing.

// Control characters (ESC, line feed, C1), the format characters (bidi controls, zero width), the two
// line ends of Unicode, and halves of a surrogate pair.
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
const unsafeInLines = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** The text as one line; each unsafe character as `\u{1b}`. */
export function safeText(text: string): string {
  return text.replace(unsafe, escapeCharacter);
}

/** The same for text of several lines that this program has composed itself, such as its help. */
export function safeLines(text: string): string {
  return text.replace(unsafeInLines, escapeCharacter);
}

/** The value as JSON in one line; unsafe characters as `\u001b`, so that it parses to the same value. */
export function safeJson(value: unknown): string {
  return safeJsonText(JSON.stringify(value));
}

/** The same for a text that is JSON already. */
export function safeJsonText(json: string): string {
  // Outside of its strings JSON has no such character but line feeds.
  return json.replace(unsafeInLines, (character) =>
    [...Array(character.length).keys()]
      .map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}

/** A character as `\u{1f600}`. */
export function escapeCharacter(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
