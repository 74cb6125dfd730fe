// SPDX-License-Identifier: Apache-2.0
//
// `npm test` itself: what must make it fail does, by exit code and by name, and its last line is
// the one that tools read.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { isRunning } from "../support/daemon.ts";
import { type Checkout, makeCheckout } from "./checkout.ts";

const passing = 'import { test } from "node:test";\ntest("holds", () => undefined);\n';
const story = "test/integration/stories/one.test.ts";

test("all passing: exit 0, the stories run twice, the counts are the last line", async (t) => {
  const { ended } = await runTests(t, { [story]: passing, "test/unit/a.test.ts": passing });
  const { code, stdout, stderr } = await ended;
  assert.equal(code, 0, stdout + stderr);
  assert.equal(lastLine(stdout), "3 passed, 0 failed, 0 skipped");
  assert.match(stdout, /one\.test\.ts \(dist\)/);
});

test("the stories learn what to test, and with which Node", async (t) => {
  const telling = `${passing}console.log("target", process.env.XENLOGD_TEST_TARGET, process.env.XENLOGD_TEST_NODE);\n`;
  const { stdout } = await (await runTests(t, { [story]: telling })).ended;
  assert.match(stdout, /^target undefined undefined$/m);
  assert.match(stdout, /^target dist \/.*node$/m);
});

test("a failing test: exit code, and its name at the end", async (t) => {
  const failing = `${passing}test("breaks", () => { throw new Error("of a reason"); });\n`;
  const { code, stdout } = await (
    await runTests(t, { [story]: passing, "test/unit/a.test.ts": failing })
  ).ended;
  assert.notEqual(code, 0);
  assert.ok(
    stdout.endsWith(`
Failed:
  test/unit/a.test.ts: breaks
      of a reason

3 passed, 1 failed, 0 skipped
`),
  );
});

test("a skipped test is a failure under CI only, and is named", async (t) => {
  const skipping = `${passing}test("lacks", { skip: "no compiler" }, () => undefined);\n`;
  const files = { [story]: passing, "test/unit/a.test.ts": skipping };
  const alone = await (await runTests(t, files)).ended;
  assert.equal(alone.code, 0);
  const underCi = await (await runTests(t, files, { CI: "true" })).ended;
  assert.notEqual(underCi.code, 0);
  for (const { stdout } of [alone, underCi]) {
    assert.match(stdout, /^ {2}test\/unit\/a\.test\.ts: lacks\n {6}no compiler$/m);
    assert.equal(lastLine(stdout), "3 passed, 0 failed, 1 skipped");
  }
});

test("a file that never ends, a file without a test and one that cannot load fail", async (t) => {
  const { code, stdout } = await (
    await runTests(
      t,
      {
        [story]: passing,
        "test/unit/hangs.test.ts": `${passing}setInterval(() => undefined, 1000);\n`,
        "test/unit/empty.test.ts": "export {};\n",
        "test/unit/throws.test.ts": 'throw new Error("at load");\n',
      },
      { XENLOGD_TEST_FILE_SECONDS: "3" },
    )
  ).ended;
  assert.notEqual(code, 0);
  assert.match(stdout, /hangs\.test\.ts\n {6}did not end within 3 s/);
  assert.match(stdout, /empty\.test\.ts\n {6}the file holds no test/);
  assert.match(stdout, /throws\.test\.ts\n {6}ended with 1/);
  assert.equal(lastLine(stdout), "3 passed, 3 failed, 0 skipped");
});

test("a process, a FIFO and a mount left by a passing file: named, and removed", async (t) => {
  const canMount = process.getuid?.() === 0;
  const planting = `${passing}
    import { execFileSync, spawn } from "node:child_process";
    import { mkdirSync } from "node:fs";
    import { tmpdir } from "node:os";
    spawn("sleep", ["86399"], { detached: true, stdio: "ignore" }).unref();
    mkdirSync(tmpdir() + "/planted");
    execFileSync("mkfifo", [tmpdir() + "/planted/fifo"]);
    mkdirSync(tmpdir() + "/m");
    ${canMount} && execFileSync("mount", ["-t", "tmpfs", "planted", tmpdir() + "/m"]);
  `;
  const { code, stdout } = await (
    await runTests(t, { [story]: passing, "test/unit/plants.test.ts": planting })
  ).ended;
  assert.notEqual(code, 0);
  assert.equal(lastLine(stdout), "3 passed, 1 failed, 0 skipped");
  const [, pid = "", left = ""] =
    /^ {2}test\/unit\/plants\.test\.ts\n {6}left behind: process (\d+) \(sleep 86399\), (.*)$/m.exec(
      stdout,
    ) ?? assert.fail(stdout);
  const [, place = ""] = /FIFO (\/.*)\/planted\/fifo/.exec(left) ?? assert.fail(left);
  assert.equal(left.includes(`mount ${place}/m`), canMount, left);
  assert.ok(!isRunning(Number(pid)));
  assert.doesNotMatch(readFileSync("/proc/self/mountinfo", "utf8"), new RegExp(` ${place}/m `));
  assert.ok(!existsSync(place));
});

test("no test file, no story and a failing check fail", async (t) => {
  const none = await (await runTests(t, {})).ended;
  assert.match(none.stdout, /no test file found/);
  const noStory = await (await runTests(t, { "test/unit/a.test.ts": passing })).ended;
  assert.match(noStory.stdout, /no story in/);
  const checkout = await prepared(t, { [story]: passing });
  const manifest = JSON.parse(await checkout.read("package.json"));
  manifest.scripts.check = "exit 3";
  await checkout.write("package.json", JSON.stringify(manifest));
  const check = await checkout.npm(["test"]).ended;
  assert.match(check.stdout, /npm run check/);
  for (const { code, stdout } of [none, noStory, check]) {
    assert.notEqual(code, 0);
    assert.equal(lastLine(stdout), "0 passed, 1 failed, 0 skipped");
  }
});

test("a pattern picks the files that hold it", async (t) => {
  const checkout = await prepared(t, { [story]: passing, "test/unit/a.test.ts": passing });
  const { stdout } = await checkout.npm(["test", "--", "unit/a"]).ended;
  assert.equal(lastLine(stdout), "1 passed, 0 failed, 0 skipped");
});

async function runTests(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  env: NodeJS.ProcessEnv = {},
): Promise<ReturnType<Checkout["npm"]>> {
  const checkout = await prepared(t, files);
  return checkout.npm(["test"], env);
}

/** With its set-up done, so that the development Node can be put where the toolchain puts it. */
async function prepared(
  t: TestContext,
  files: Readonly<Record<string, string>>,
): Promise<Checkout> {
  const checkout = await makeCheckout(t);
  await checkout.npm(["start"]).ended;
  await checkout.addDevelopmentNode();
  for (const [path, content] of Object.entries(files)) {
    await checkout.write(path, content);
  }
  return checkout;
}

function lastLine(text: string): string | undefined {
  return text.trimEnd().split("\n").at(-1);
}
