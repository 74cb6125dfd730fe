// SPDX-License-Identifier: Apache-2.0
// Which of our programs a test runs: those in src/ with this Node, or, for the stories' second run,
// those in dist/ with the Node that users have.

import { fileURLToPath } from "node:url";

// Asked for at each call: a bench sets it after its imports.
const isFromDist = (): boolean => process.env["XENLOGD_TEST_TARGET"] === "dist";

/** Command and first arguments of one of our programs. */
export function ourProgram(name: "xenlog" | "xenlogd" | "pump"): readonly [string, string] {
  const fromDist = isFromDist();
  const path = fromDist ? `../../dist/bin/${name}.js` : `../../src/bin/${name}.ts`;
  const node = fromDist ? (process.env["XENLOGD_TEST_NODE"] ?? "node") : process.execPath;
  return [node, fileURLToPath(new URL(path, import.meta.url))];
}
