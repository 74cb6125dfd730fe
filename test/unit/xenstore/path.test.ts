// SPDX-License-Identifier: Apache-2.0
// What may be a path, a watch, a permission and a domain.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePath, parseWatchPath } from "../../../src/xenstore/path.ts";
import { checkDomid, formatPermission, parsePermission } from "../../../src/xenstore/permission.ts";
import { resolvePath, resolveWatchPath } from "../../../src/xenstore/server/names.ts";

const good = [
  "/",
  "/a",
  "/a/b-c_d/E9",
  "/local/domain/0/backend@x",
  "a",
  "a/b",
  `/${"n".repeat(1000)}/x`,
  `/${"p".repeat(3071)}`,
  "r".repeat(2048),
];

const bad = [
  "",
  "//",
  "/a/",
  "a/",
  "/a//b",
  "/a.b",
  "/a+b",
  "/a:b",
  "/a b",
  "/ä",
  "/a\0b",
  "/a\n",
  `/${"p".repeat(3072)}`,
  "r".repeat(2049),
];

test("paths of the allowed characters, without empty parts, are taken", () => {
  for (const path of good) assert.equal(parsePath(path), path);
});

test("all other paths are refused with EINVAL and named in the error", () => {
  for (const path of bad) {
    assert.throws(() => parsePath(path), { code: "EINVAL", path });
    assert.throws(() => parseWatchPath(path), { code: "EINVAL", path });
  }
});

test("a special path can be watched and is no node", () => {
  assert.equal(parseWatchPath("@releaseDomain"), "@releaseDomain");
  assert.throws(() => parsePath("@releaseDomain"), { code: "EINVAL" });
});

test("the server puts a relative path below the domain and counts as C xenstored does", () => {
  const long = "p".repeat(2047);
  const cases: readonly (readonly [string, string | undefined])[] = [
    ["/a", "/a"],
    ["a/b", "/local/domain/3/a/b"],
    ["@x", undefined],
    ["/a/", undefined],
    [`/${long}`, `/${long}`],
    [`/${long}p`, undefined],
    [`/local/domain/9/p${long}`, `/local/domain/9/p${long}`],
    [`/local/domain/9/pp${long}`, undefined],
    [`p${long}`, `/local/domain/3/p${long}`],
  ];
  for (const [text, path] of cases) assert.equal(resolvePath(text, 3, 2048), path);
  assert.equal(resolveWatchPath("@x", 3, 2048), "@x");
});

test("permissions are a letter and a domid both ways", () => {
  for (const [text, permission] of [
    ["n0", { access: "n", domid: 0 }],
    ["r5", { access: "r", domid: 5 }],
    ["w32751", { access: "w", domid: 32751 }],
    ["b65535", { access: "b", domid: 65535 }],
    ["r4294967295", { access: "r", domid: 4294967295 }],
  ] as const) {
    assert.deepEqual(parsePermission(text), permission);
    assert.equal(formatPermission(permission), text);
  }
  for (const text of ["", "n", "x0", "0", "n-1", "n4294967296", "n0 ", "nn0", "r1.5"]) {
    assert.throws(() => parsePermission(text), { code: "EINVAL" });
  }
  for (const domid of [-1, 1.5, 65536, Number.NaN]) {
    assert.throws(() => checkDomid(domid), { code: "EINVAL" });
  }
});
