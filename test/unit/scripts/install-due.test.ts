// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";
import { installIsDue, type LockFile } from "../../../scripts/install-due.mjs";

const koffi = { version: "3.3.4", integrity: "sha512-a" };
const binary = { version: "3.3.4", integrity: "sha512-b", optional: true };
const toolchain = { resolved: "toolchain", link: true };
const wanted = {
  packages: {
    "": { name: "xenlogd" },
    "node_modules/koffi": koffi,
    "node_modules/koffi-other-platform": binary,
    "node_modules/toolchain": toolchain,
  },
};

const cases: readonly [string, LockFile["packages"], boolean][] = [
  ["nothing is installed", undefined, true],
  ["an installation was cut off before its record", {}, true],
  [
    "all but another platform's binary is there",
    { "node_modules/koffi": koffi, "node_modules/toolchain": toolchain },
    false,
  ],
  ["a package is missing", { "node_modules/toolchain": toolchain }, true],
  [
    "a package is of another version",
    { "node_modules/koffi": { ...koffi, version: "3.3.3" }, "node_modules/toolchain": toolchain },
    true,
  ],
  [
    "a package has other content",
    {
      "node_modules/koffi": { ...koffi, integrity: "sha512-c" },
      "node_modules/toolchain": toolchain,
    },
    true,
  ],
  [
    "a workspace became a package",
    { "node_modules/koffi": koffi, "node_modules/toolchain": { version: "1.0.0" } },
    true,
  ],
  [
    "a package is there that is no longer wanted",
    { "node_modules/koffi": koffi, "node_modules/toolchain": toolchain, "node_modules/old": koffi },
    true,
  ],
];

for (const [name, packages, due] of cases) {
  test(`${name}: ${due ? "due" : "not due"}`, () => {
    assert.equal(installIsDue(wanted, packages === undefined ? undefined : { packages }), due);
  });
}
