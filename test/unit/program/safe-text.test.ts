// SPDX-License-Identifier: Apache-2.0
// Text from outside on a terminal, in JSON, and in the last words of a program with a bug.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  linesOfBug,
  outputTo,
  safeJson,
  safeJsonText,
  safeText,
} from "../../../src/program/index.ts";
import { assertSafe, hostileText } from "../../support/hostile-text.ts";

describe("text for a terminal", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["ESC", "\x1b[2J", "\\u{1b}[2J"],
    ["line feed and carriage return", "a\r\nb", "a\\u{d}\\u{a}b"],
    ["tab and DEL", "\t\x7f", "\\u{9}\\u{7f}"],
    ["C1", "\x9b31m\x85", "\\u{9b}31m\\u{85}"],
    ["the line ends of Unicode", "\u2028\u2029", "\\u{2028}\\u{2029}"],
    ["bidi controls", "\u202e\u2066\u061c", "\\u{202e}\\u{2066}\\u{61c}"],
    ["zero width", "\u200b\ufeff", "\\u{200b}\\u{feff}"],
    ["a tag beyond 16 bits", "\u{e0041}", "\\u{e0041}"],
    ["half of a pair", "\ud800", "\\u{d800}"],
    ["letters of any script, and emoji", "größer 日本 שלום 😀", "größer 日本 שלום 😀"],
  ];
  for (const [what, text, safe] of cases) {
    it(`has ${what} as it may be`, () => {
      assert.equal(safeText(text), safe);
      assert.equal(safeText(safe), safe);
      assert.deepEqual(JSON.parse(safeJson({ text })), { text });
      assertSafe(`${safeJson({ [text]: [text] })}\n`);
    });
  }

  it("is JSON with the same escapes for a log of lines", () => {
    const line = `{"a":"\x9b\u2028😀\u{e0041}"}\n`;
    assert.equal(safeJsonText(line), '{"a":"\\u009b\\u2028😀\\udb40\\udc41"}\n');
    assert.deepEqual(JSON.parse(safeJsonText(line)), JSON.parse(line));
  });

  it("is safe whichever way it goes out", () => {
    const written: string[] = [];
    const output = outputTo((text) => written.push(text), { isTerminal: true, columns: 80 });
    output.line(hostileText);
    output.lines(hostileText.replaceAll("\n", ""));
    output.json({ [hostileText]: hostileText });
    assertSafe(written.join(""));
    assert.equal(written.length, 3);
    output.overwrite(hostileText, "dim");
    output.line(hostileText, "bold");
    let rest = written.slice(3).join("");
    for (const own of ["\r\x1b[K", "\x1b[1m", "\x1b[2m", "\x1b[22m"])
      rest = rest.replaceAll(own, "");
    assertSafe(rest);
  });
});

describe("the last words of a bug", () => {
  it("are the error in one line, its places, and its causes", () => {
    const cause = new TypeError(hostileText);
    const lines = linesOfBug(new Error(`broken\n    at forged (/etc/passwd:1:1)`, { cause }));
    const texts = lines.filter((line) => !line.startsWith("    at "));
    assert.deepEqual(texts, [
      "Error: broken\n    at forged (/etc/passwd:1:1)",
      `caused by TypeError: ${hostileText}`,
    ]);
    assert.ok(lines[1]?.includes("safe-text.test.ts"), lines[1]);
    assert.equal(lines.filter((line) => line.includes("at forged")).length, 1);
  });

  it("are those of anything that can be thrown", () => {
    assert.deepEqual(linesOfBug("words"), ["words"]);
    const circular = new Error("round");
    circular.cause = circular;
    assert.ok(linesOfBug(circular).length > 1);
  });
});
