// SPDX-License-Identifier: Apache-2.0
// Arguments, names and paths that would do harm on a terminal, in every place of every command line:
// what is said about them is one safe line, or JSON that means the same text.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertSafe, hostileText as bad } from "../../support/hostile-text.ts";
import { runMain } from "./context.ts";

const names = ["--name", "--domid", "--log", "--limit", "--copies", "--overflow", "--file"];
const create = [...names, "--rate", "--burst", "--timeout"];
const everywhere = ["--dir", "--config", "--color", `--${bad}`, `-${bad}`];
/** Nothing can be made below /proc: no command gets far enough to leave something behind. */
const nowhere = "/proc/nowhere";
const commands: readonly (readonly [readonly string[], readonly string[], readonly string[]])[] = [
  [["run", "--dir", nowhere], names, ["--", "true"]],
  [["create", "--name", "demo"], create, []],
  [["close"], [], ["demo"]],
  [["list"], [], []],
  [["reload"], [], []],
  [["xenstored", "--socket", `${nowhere}/${bad}`], ["--state", "--notify-fd"], []],
];

const lines: readonly (readonly string[])[] = [
  [bad],
  [`--${bad}`, "list"],
  ["run", "--", bad],
  ["run", "--", `./${bad}`],
  ["close", bad, bad],
  ["close", "a", "b", bad],
  ["list", bad],
  ["list", "a", bad],
  ["reload", bad],
  ["xenstored", bad],
  ["create", bad],
  ...commands.flatMap(([start, own, end]) =>
    [...own, ...everywhere].map((option) => [...start, option, bad, ...end]),
  ),
];

describe("a hostile argument is printed safely", () => {
  for (const argv of lines) {
    const shown = argv.map((word) => JSON.stringify(word).slice(1, 12)).join(" ");
    it(shown, async () => {
      const { code, stdout, stderr } = await runMain(argv, { directory: `/nonexistent/${bad}` });
      assert.notEqual(code, 0);
      assertSafe(stdout + stderr);
      assert.match(stderr, /^xenlog: [^\n]+\n$/);
      const json = await runMain(["--json", ...argv], { directory: `/nonexistent/${bad}` });
      assert.equal(json.code, code);
      assertSafe(json.stdout + json.stderr);
      const { error } = JSON.parse(json.stderr) as { readonly error: { readonly message: string } };
      assert.equal(typeof error.message, "string");
    });
  }

  it("with its environment hostile as well", async () => {
    for (const variable of ["XENSTORED_PATH", "XEN_RUN_DIR", "XEN_LOG_DIR", "XENLOGD_CONFIG"]) {
      const environment = {
        PATH: bad,
        XENSTORED_PATH: "/nonexistent/socket",
        [variable]: `/${bad}`,
      };
      for (const argv of [["list"], ["run", "--", bad], ["create", "--global"]]) {
        const { stdout, stderr } = await runMain(argv, { environment, homeDirectory: `/${bad}` });
        assertSafe(stdout + stderr);
        assert.match(stderr, /^xenlog: [^\n]+\n$/);
      }
    }
  });
});
