// SPDX-License-Identifier: Apache-2.0
// Debian's logrotate on a log that is being written, as administrators have it set up: by renaming
// and SIGHUP, by renaming alone, and by copytruncate. No byte in the pipe is lost.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { TestDaemon } from "../support/daemon.ts";
import { debianProgram } from "../support/debian.ts";
import { Flooded, noFlood } from "../support/flooded.ts";
import { waitFor } from "../support/wait.ts";

const execute = promisify(execFile);
const logrotate = await debianProgram("logrotate");
const skip = noFlood || (logrotate.found ? false : logrotate.reason);

const turns = 5;
/** Not reached: only logrotate rotates here. */
const limitBytes = 64 << 20;

interface Setup {
  readonly lines: (daemon: TestDaemon) => readonly string[];
  /** What logrotate copies and then truncates, it loses in between. */
  readonly keeps: "all" | "the newest";
  readonly told: "renamed" | "truncated";
}

const setups: Readonly<Record<string, Setup>> = {
  "renames and sends SIGHUP": {
    lines: (daemon) => ["create 0600", "postrotate", `kill -HUP ${daemon.mainPid}`, "endscript"],
    keeps: "all",
    told: "renamed",
  },
  "renames and says nothing": { lines: () => ["nocreate"], keeps: "all", told: "renamed" },
  "copies and truncates": { lines: () => ["copytruncate"], keeps: "the newest", told: "truncated" },
};

describe("logrotate, which", { skip }, () => {
  for (const [what, { lines, keeps, told }] of Object.entries(setups)) {
    it(`${what}, loses no byte that is in the pipe`, async (t) => {
      await using daemon = await TestDaemon.start();
      await using flooded = await Flooded.start(daemon, {
        name: "guest",
        limitBytes,
        copies: turns + 1,
        megabytesPerSecond: 10,
      });
      const folder = join(daemon.directory, "rotation");
      mkdirSync(folder);
      const configuration = join(folder, "configuration");
      const rules = ["missingok", `rotate ${turns + 1}`, ...lines(daemon)];
      writeFileSync(configuration, `${flooded.file} {\n${rules.join("\n")}\n}\n`, { mode: 0o644 });
      const count = (): number =>
        daemon.events.filter(({ msg, what }) => msg === "LogInterfered" && what === told).length;
      for (let turn = 1; turn <= turns; turn += 1) {
        const before = flooded.accepted;
        await waitFor("bytes", () => flooded.accepted > before + 300_000);
        await rotate(configuration, join(folder, "state"));
        await waitFor(`interference ${turn}`, () => count() >= turn);
      }
      const before = flooded.accepted;
      await waitFor("bytes", () => flooded.accepted > before + 300_000);
      const { sent } = await flooded.check("after logrotate", keeps === "all" ? "chain" : "live");
      const [stream] = await daemon.control.streams({ all: false });
      assert.equal(stream?.writtenBytes, sent, "every byte is counted");
      if (keeps === "all") assert.equal(stream?.sizeBytes, sent, "and there");
      else assert.ok(!readFileSync(flooded.file).includes(0), "no hole in the log");
      const seen = flooded.checkPositions(500, Math.random, sent);
      t.diagnostic(`${sent} bytes, ${seen.present} of 500 positions there`);
      assert.deepEqual(
        daemon.events.filter(({ level }) => level === "error"),
        [],
      );
    });
  }
});

async function rotate(configuration: string, state: string): Promise<void> {
  assert.ok(logrotate.found);
  const args = [...logrotate.args, "--force", "--state", state, configuration];
  await execute(logrotate.path, args, { env: logrotate.env, timeout: 20_000 });
}
