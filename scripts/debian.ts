// SPDX-License-Identifier: Apache-2.0
//
// Fetches every Debian program that the tests use and that is not installed, before the tests
// start: their time-outs then hold no download. Without a network it prints what is missing and
// succeeds; the tests that need it skip.

import { debianProgram, debianProgramNames, forgetFailures } from "../test/support/debian.ts";

await forgetFailures();
for (const name of debianProgramNames) {
  const program = await debianProgram(name);
  if (!program.found) {
    process.stderr.write(`xenlogd tests: ${program.reason}\n`);
  }
}
