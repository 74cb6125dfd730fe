// SPDX-License-Identifier: Apache-2.0
// The configuration file as people meet it: checked, named wrongly, changed while the daemon runs.

import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { readOrEmpty, testDirectory, type XenlogResult, xenlog } from "../../support/cli.ts";
import { type LoggedEvent, TestDaemon } from "../../support/daemon.ts";
import { waitFor } from "../../support/wait.ts";

const good = '[power-loss]\nfsync = "interval"\ninterval = "250ms"\n';
const bad = '[power-loss]\nfsync = "always"\nsync = 1\n';
const faultsOf = (file: string): readonly string[] => [
  `${file}: [power-loss] fsync is "always"; it must be "none", "rotate" or "interval"`,
  `${file}: [power-loss] has no "sync", only fsync and interval`,
];

function xenlogd(...args: string[]): Promise<XenlogResult> {
  return xenlog(args, { name: "xenlogd" });
}

describe("xenlogd --check-config", () => {
  it("says OK, or each fault on a line of its own, and starts nothing", async () => {
    await using directory = testDirectory();
    const { path } = directory;
    const file = join(path, "xenlogd.toml");
    const check = (): Promise<XenlogResult> =>
      xenlogd("--dir", join(path, "d"), "--config", file, "--check-config");
    writeFileSync(file, good);
    assert.deepEqual(await check(), { code: 0, signal: null, stdout: "OK\n", stderr: "" });
    writeFileSync(file, bad);
    const stderr = faultsOf(file).map((fault) => `xenlogd: ${fault}\n`);
    assert.deepEqual(await check(), {
      code: 2,
      signal: null,
      stdout: "",
      stderr: stderr.join(""),
    });
    assert.deepEqual(readdirSync(path), ["xenlogd.toml"]);
  });

  it("finds the file in the environment, where a flag has not named another", async () => {
    await using directory = testDirectory();
    const [named, other] = ["named", "other"].map((name) => join(directory.path, name));
    writeFileSync(other ?? "", good);
    const env = { XENLOGD_CONFIG: named ?? "" };
    const missing = await xenlog(["--check-config"], { name: "xenlogd", env });
    assert.deepEqual(
      [missing.code, missing.stderr],
      [2, `xenlogd: ${named}: it cannot be read: it does not exist\n`],
    );
    const args = ["--check-config", "--config", other ?? ""];
    assert.equal((await xenlog(args, { name: "xenlogd", env })).code, 0);
  });
});

describe("a daemon with a wrong configuration", () => {
  it("does not start, and leaves nothing behind", async () => {
    await using directory = testDirectory();
    const file = join(directory.path, "xenlogd.toml");
    writeFileSync(file, bad);
    const inside = ["--dir", join(directory.path, "d"), "--config", file];
    const alone = await xenlogd(...inside);
    const stderr = faultsOf(file).map((fault) => `xenlogd: ${fault}\n`);
    assert.deepEqual([alone.code, alone.stderr], [2, stderr.join("")]);
    assert.deepEqual(readdirSync(directory.path), ["xenlogd.toml"]);
    // Relative to where xenlog was started, not to where its daemon is.
    const run = await xenlog(["run", "--dir", "d", "--config", "xenlogd.toml", "--", "true"], {
      cwd: directory.path,
    });
    assert.deepEqual([run.code, run.stderr], [125, `xenlog: ${faultsOf(file).join("; ")}\n`]);
  });
});

for (const how of ["SIGHUP", "xenlog reload"] as const) {
  describe(how, () => {
    it("has the daemon use a configuration that is right, and no other", async () => {
      await using directory = testDirectory();
      const file = join(directory.path, "xenlogd.toml");
      writeFileSync(file, good);
      await using daemon = await TestDaemon.start("--config", file);
      const next = async (code: number, stderr: string): Promise<LoggedEvent> => {
        const before = reloadsOf(daemon).length;
        if (how === "SIGHUP") process.kill(daemon.mainPid, "SIGHUP");
        else assert.deepEqual(await reload(daemon), { code, signal: null, stdout: "", stderr });
        return await waitFor("a reload", () => reloadsOf(daemon)[before]);
      };
      const reason = faultsOf(file).join("; ");
      const reloaded = await next(0, "");
      assert.deepEqual([reloaded.msg, reloaded["path"]], ["ConfigurationReloaded", file]);
      writeFileSync(file, bad);
      const refused = await next(1, `xenlog: ${reason}\n`);
      assert.deepEqual([refused.msg, refused["level"]], ["ConfigurationRefused", "error"]);
      assert.equal(refused["reason"], reason);
      writeFileSync(file, good);
      assert.equal((await next(0, "")).msg, "ConfigurationReloaded");
      // Nobody ended on the way.
      assert.equal(daemon.events.filter(({ msg }) => msg === "PumpEnded").length, 0);
      assert.equal((await daemon.control.status()).pid, daemon.mainPid);
    });
  });
}

describe("SIGHUP while the daemon starts", () => {
  it("is not forgotten", async () => {
    await using daemon = TestDaemon.embedded();
    const ready = daemon.start();
    // Taken before anything is started.
    const pid = await waitFor("the pid file", () => {
      const found = Number(readOrEmpty(join(daemon.directory, "run/xenlogd.pid")));
      return found > 0 && found;
    });
    process.kill(pid, "SIGHUP");
    await ready;
    const reloaded = await waitFor("a reload", () => reloadsOf(daemon)[0]);
    assert.deepEqual([reloaded.msg, reloaded["path"]], ["ConfigurationReloaded", null]);
  });
});

function reload(daemon: TestDaemon): Promise<XenlogResult> {
  return xenlog(["reload", "--dir", daemon.directory]);
}

function reloadsOf(daemon: TestDaemon): readonly LoggedEvent[] {
  return daemon.events.filter(({ msg }) => msg.startsWith("Configuration"));
}
