// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { findCommand } from "../../../src/cli/run/command-lookup.ts";

const base = mkdtempSync(join(tmpdir(), "lookup-"));
const path = `${base}/none:${base}/first:${base}/second`;

before(() => {
  for (const name of ["first", "second", "second/directory"]) mkdirSync(join(base, name));
  const programs = { "first/only-text": 0o644, "second/only-text": 0o755, "first/text": 0o644 };
  for (const [name, mode] of Object.entries(programs))
    writeFileSync(join(base, name), "", { mode });
  writeFileSync(join(base, "second/program"), "", { mode: 0o755 });
  symlinkSync("nowhere", join(base, "first/program"));
});
after(() => rmSync(base, { recursive: true }));

describe("looking for COMMAND", () => {
  const found: readonly (readonly [string, string, string | undefined])[] = [
    ["program", "second/program", path],
    ["only-text", "second/only-text", path],
    ["second/program", "second/program", path],
    ["./second/program", "second/program", ""],
    ["program", "second/program", `:${base}/second`],
  ];
  for (const [command, file, searched] of found) {
    it(`finds ${command} as execvp(3) would`, () => {
      assert.equal(findCommand(command, searched, base), join(base, file));
    });
  }

  it("takes an empty part of PATH for the working directory", () => {
    assert.equal(findCommand("program", "", join(base, "second")), join(base, "second/program"));
  });

  it("searches the system's directories without a PATH", () => {
    assert.match(findCommand("sh", undefined, base), /^\/(usr\/)?bin\/sh$/);
  });

  const missing: readonly (readonly [string, string])[] = [
    ["nope", "commandNotFound: nope: command not found"],
    ["", "commandNotFound: : command not found"],
    ["./nope", "commandNotFound: ./nope: command not found"],
    ["first/program", "commandNotFound: first/program: command not found"],
    ["text", "commandNotExecutable: text: cannot execute: permission denied"],
    ["directory", "commandNotExecutable: directory: cannot execute: it is a directory"],
    ["./second", "commandNotExecutable: ./second: cannot execute: it is a directory"],
  ];
  for (const [command, expected] of missing) {
    it(`says what is wrong with "${command}"`, () => {
      const [code, message] = [
        expected.split(": ", 1)[0],
        expected.slice(expected.indexOf(": ") + 2),
      ];
      assert.throws(() => findCommand(command, path, base), { name: "CliError", code, message });
    });
  }
});
