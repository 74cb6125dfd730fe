// SPDX-License-Identifier: Apache-2.0
// Names and paths that would do harm on a terminal, through every program: what they print is safe, and
// as JSON it still means the same text.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { domainNamePath, parseDomid } from "../../../src/contract/index.ts";
import { introduceDomain } from "../../../src/toolstack/index.ts";
import { connectXenstore } from "../../../src/xenstore/index.ts";
import { spawnXenlog, testDirectory, until, type XenlogResult, xenlog } from "../../support/cli.ts";
import { assertSafe, hostileName, hostileText } from "../../support/hostile-text.ts";
import { ourProgram } from "../../support/target.ts";

function assertRefused(result: XenlogResult, code: number): void {
  assert.equal(result.code, code, result.stderr);
  assertSafe(result.stdout + result.stderr);
  assert.match(result.stderr, /^xenlogd?: [^\n]+\n$/);
}

describe("hostile text", { concurrency: 2 }, () => {
  it("of a guest is safe in list, list --json, close and the daemon's own log", async () => {
    await using directory = testDirectory();
    const { path } = directory;
    const daemon = spawnXenlog(["--dir", path], { name: "xenlogd" });
    await until(() => daemon.stderr().includes("DaemonStarted"), "the daemon");
    await using xenstore = await connectXenstore({ socketPath: join(path, "run/xenstored.sock") });
    const domid = await introduceDomain(xenstore, "guest");
    const call = (...args: string[]): Promise<XenlogResult> => xenlog([...args, "--dir", path]);
    const file = join(path, "log", `${hostileName}.log`);
    const created = await call("create", "--domid", String(domid), "--file", file, "--json");
    assert.equal(created.code, 0, created.stderr);
    assertSafe(created.stdout);
    assert.equal((JSON.parse(created.stdout) as { file: string }).file, file);
    // A guest may choose its name, and a toolstack may change the request into one that is refused.
    await xenstore.write(domainNamePath(parseDomid(String(domid), "domid")), hostileText);
    await xenstore.write(`/libxl/${domid}/logging/1/limit`, hostileText);
    await until(() => daemon.stderr().includes("StreamChangeRefused"), "the refusal");
    const second = ["create", "--domid", String(domid), "--log", `a${hostileName}`];
    const named = await call(...second, "--file", join(path, "log/b.log"));
    assert.equal(named.code, 0, named.stderr);
    const table = await call("list");
    assert.equal(table.code, 0, table.stderr);
    assertSafe(table.stdout + table.stderr);
    assert.match(table.stdout, /\\u\{1b\}/);
    const json = await call("list", "--json");
    assertSafe(json.stdout + json.stderr);
    const streams = JSON.parse(json.stdout) as readonly { name: string; file: string }[];
    assert.ok(
      streams.some((one) => one.name === hostileText),
      json.stdout,
    );
    assert.ok(
      streams.some((one) => one.file === file),
      json.stdout,
    );
    assertRefused(await call("close", String(domid), hostileText), 6);
    const closed = await call("close", String(domid), "-v");
    assert.equal(closed.code, 0, closed.stderr);
    assertSafe(closed.stderr);
    daemon.child.kill("SIGTERM");
    assert.equal((await daemon.exited).code, 0);
    assertSafe(daemon.stdout() + daemon.stderr());
    assert.match(daemon.stderr(), /"file":"[^"]*x\\u202e/);
  });

  it("of COMMAND and of its log is safe in what run says, and in its JSON", async () => {
    await using directory = testDirectory();
    const { path } = directory;
    const command = join(path, hostileText);
    writeFileSync(command, "#!/bin/sh\necho $0\n", { mode: 0o755 });
    const file = join(path, "log", `${hostileName}.log`);
    const run = (...args: string[]): Promise<XenlogResult> =>
      xenlog(["run", "--dir", path, "--file", file, ...args, "--", command]);
    const text = await run();
    assert.equal(text.code, 0, text.stderr);
    assertSafe(text.stdout + text.stderr);
    const json = await run("--json");
    assert.equal(json.code, 0, json.stderr);
    assertSafe(json.stdout + json.stderr);
    assert.equal((JSON.parse(json.stderr) as { file: string }).file, file);
    writeFileSync(command, `#!/${hostileName}/none\n`, { mode: 0o755 });
    assertRefused(await run(), 126);
  });

  it("as --dir is refused at the start by both programs, and nothing is made", async () => {
    await using directory = testDirectory();
    for (const name of ["a\nb", hostileName]) {
      const path = join(directory.path, name);
      assertRefused(await xenlog(["run", "--dir", path, "--", "true"]), 125);
      assertRefused(await xenlog(["--dir", path], { name: "xenlogd" }), 1);
    }
    assert.deepEqual(readdirSync(directory.path), []);
  });

  it("on the command line and in the configuration of xenlogd is safe", async () => {
    await using directory = testDirectory();
    const config = join(directory.path, hostileText.replaceAll("\n", ""));
    mkdirSync(dirname(config), { recursive: true });
    writeFileSync(config, `["${hostileName}"]\n"${hostileName}" = "\\u001b\\u2028"\n`);
    const refused = async (...args: string[]): Promise<void> => {
      assertRefused(await xenlog(args, { name: "xenlogd" }), 2);
    };
    await refused(`--${hostileText}`);
    await refused(hostileText);
    await refused("--config", hostileText, "--check-config");
    await refused("--config", config, "--check-config");
  });

  it("in a bug's last words is safe, with the exit code of Node.js", () => {
    const [node, xenlogPath] = ourProgram("xenlog");
    const program = join(dirname(xenlogPath), `xenstored${xenlogPath.slice(-3)}`);
    // No caller passes an option that it does not know.
    const result = spawnSync(node, [program, `--${hostileText}`], { encoding: "utf8" });
    assert.equal(result.status, 1);
    assertSafe(result.stdout + result.stderr);
    assert.match(result.stderr, /^xenlogd-xenstored: TypeError: .*\\u\{1b\}.*\n(.* at .*\n)+$/);
  });
});

describe("a directory below /proc", () => {
  it("is refused at once by run and by xenlogd, which says what would be right", async () => {
    const startedAt = performance.now();
    const reason = "its file system does not support that; choose another directory with --dir";
    const run = await xenlog(["run", "--dir", "/proc/nowhere", "--", "true"]);
    assert.deepEqual(
      [run.code, run.stderr],
      [125, `xenlog: cannot make /proc/nowhere/state: ${reason}\n`],
    );
    const daemon = await xenlog(["--dir", "/proc/nowhere"], { name: "xenlogd" });
    assert.deepEqual(
      [daemon.code, daemon.stderr],
      [1, `xenlogd: the log directory /proc/nowhere/log cannot be made: ${reason}\n`],
    );
    assert.ok(performance.now() - startedAt < 30_000);
    assert.ok(!existsSync("/proc/nowhere"));
  });
});
