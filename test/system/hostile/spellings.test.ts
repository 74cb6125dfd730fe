// SPDX-License-Identifier: Apache-2.0
// Paths below /run and below /var/run, against a daemon whose directories are there.

import { accessSync, constants, realpathSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { TestDaemon } from "../../support/daemon.ts";
import { keptDirectories, play } from "./play.ts";
import { spellings } from "./rows/spellings.ts";
import { Site } from "./site.ts";
import { expectMark } from "./table.ts";

const skip = isUsable() ? false : "/run cannot be written, or /var/run is another directory";

describe(spellings.kind, { skip }, () => {
  let daemon: TestDaemon;
  let played = 0;

  before(async () => {
    const { TMPDIR } = process.env;
    process.env["TMPDIR"] = "/run";
    daemon = TestDaemon.embedded();
    if (TMPDIR === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = TMPDIR;
    await daemon.start();
    const client = await daemon.xenstore();
    for (const path of keptDirectories) await client.mkdir(path);
  });
  after(() => daemon[Symbol.asyncDispose]());

  for (const row of spellings.rows) {
    it(row.it, async () => {
      played += 1;
      const site = new Site(daemon, played);
      await expectMark(row, async () => void (await play(row, site)));
    });
  }
});

function isUsable(): boolean {
  try {
    accessSync("/run", constants.W_OK);
    return realpathSync("/var/run") === realpathSync("/run");
  } catch {
    return false;
  }
}
