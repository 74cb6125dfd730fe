// SPDX-License-Identifier: Apache-2.0
// Nothing is printed past the functions that make text safe for a terminal: every file that touches an
// output is named here, and to name another one is a decision.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const src = fileURLToPath(new URL("../../src", import.meta.url));

/** Ways to print, each with the files that may. */
const ways: readonly (readonly [string, RegExp, readonly string[]])[] = [
  [
    "the standard streams",
    /\bprocess\??\.\s*(stdout|stderr)\b|\b(stdout|stderr)\b[^;\n]*\}\s*=\s*process\b/,
    ["bin/xenlog-outputs.ts"],
  ],
  [
    "process under another name",
    /process\s*\[|(from|import\()\s*["'](node:)?process["']|\b(const|let)\s+\w+\s*=\s*process\s*;/,
    [],
  ],
  ["the console", /\bconsole\b\s*[.[]|(from|import\()\s*["'](node:)?console["']/, []],
  [
    "descriptor 1 or 2 by its number",
    /\b(write|writev|writeFile|appendFile|open|createWriteStream)\w*\([^)]*\bfd: *[12]\b|\b(write|append)\w*\(\s*[12]\s*,|\bstderr: *2\b|\bfd(: number)? *[:=] *[12]\b/,
    ["bin/xenlog-outputs.ts", "observe/event-log.ts", "program/portable/own-outputs.ts"],
  ],
  [
    "lines on a descriptor",
    /\bnew LineOutput\(/,
    ["bin/xenlog-outputs.ts", "observe/event-log.ts"],
  ],
  ["a terminal", /["'`]\/dev\/(tty|std(out|err)|fd\/)|\/proc\/self\/fd\/[12]\b/, []],
];

function sources(): readonly string[] {
  const names = readdirSync(src, { recursive: true, encoding: "utf8" });
  return names.filter((name) => name.endsWith(".ts"));
}

describe("our programs print", () => {
  for (const [what, pattern, allowed] of ways) {
    it(`by ${what} only in ${allowed.join(" and ") || "no file"}`, () => {
      const found = sources().filter((name) => {
        const code = readFileSync(join(src, name), "utf8").replace(/^\s*(\/\/|\*|\/\*).*$/gm, "");
        return pattern.test(code);
      });
      assert.deepEqual(found, allowed);
    });
  }

  it("events with their text made safe", () => {
    const text = readFileSync(join(src, "observe/event-log.ts"), "utf8");
    assert.match(text, /hooks: \{ streamWrite: safeJsonText \}/);
  });
});

describe("the fence finds", () => {
  for (const [line, index] of [
    ["process.stderr.write(name);", 0],
    ["process?.stdout?.write(name);", 0],
    ["const { stdout } = process;", 0],
    ['process["stdout"].write(name);', 1],
    ['import { stdout } from "node:process";', 1],
    ["console.log(name);", 2],
    ["writeSync(2, name);", 3],
    ["pino(destination({ fd: 2 }));", 3],
    ["new LineOutput({ fd });", 4],
    ['writeFileSync("/dev/stderr", name);', 5],
  ] as const) {
    it(line, () => assert.match(line, ways[index]?.[1] ?? /never/));
  }
});
