// SPDX-License-Identifier: Apache-2.0
//
// `npm start` from a checkout in which nothing was done yet: its own set-up, once, and then the
// program with its arguments, exit code and signals as if nothing stood between.

import assert from "node:assert/strict";
import { test } from "node:test";
import { makeCheckout } from "./checkout.ts";

const quiet = ["--silent", "start", "--"];

test("a first start installs and builds, says so on stderr only, and a second is silent", async (t) => {
  const checkout = await makeCheckout(t);
  const first = await checkout.npm([...quiet, "--version"]).ended;
  assert.equal(first.stdout, '["--version"]\n');
  assert.match(first.stderr, /^xenlogd: first start, installing packages …$/m);
  assert.match(first.stderr, /^xenlogd: building …$/m);
  const second = await checkout.npm([...quiet, "list"]).ended;
  assert.equal(second.stdout, '["list"]\n');
  assert.doesNotMatch(second.stderr, /xenlogd:/);
  assert.equal(await checkout.read("builds"), "one\n");
});

test("changed sources are built again, and what they no longer hold is gone", async (t) => {
  const checkout = await makeCheckout(t);
  await checkout.write("src/bin/old.js", "");
  await checkout.npm(quiet).ended;
  const { ended } = checkout.node(["-e", 'fs.rmSync("src/bin/old.js")']);
  await ended;
  const again = await checkout.npm([...quiet, "list"]).ended;
  assert.match(again.stderr, /^xenlogd: sources have changed, building …$/m);
  await assert.rejects(checkout.read("dist/bin/old.js"));
});

test("a build that fails says why, ends the start and leaves the last good one", async (t) => {
  const checkout = await makeCheckout(t);
  await checkout.npm(quiet).ended;
  const good = await checkout.read("dist/bin/xenlog.js");
  await checkout.write("src/bin/xenlog.js", "does not compile");
  const failed = await checkout.npm([...quiet, "list"]).ended;
  assert.notEqual(failed.code, 0);
  assert.equal(failed.stdout, "");
  assert.match(failed.stderr, /^a compiler's complaint\nxenlogd: the build failed/m);
  assert.equal(await checkout.read("dist/bin/xenlog.js"), good);
});

test("two first starts at once wait for each other: one build, both run", async (t) => {
  const checkout = await makeCheckout(t);
  const both = await Promise.all([
    checkout.npm([...quiet, "one"]).ended,
    checkout.npm([...quiet, "two"]).ended,
  ]);
  assert.deepEqual(
    both.map(({ code, stdout }) => [code, stdout]),
    [
      [0, '["one"]\n'],
      [0, '["two"]\n'],
    ],
  );
  assert.equal(await checkout.read("builds"), "one\n");
});

test("npm ci alone builds, once", async (t) => {
  const checkout = await makeCheckout(t);
  const { code, stderr } = await checkout.npm(["ci"]).ended;
  assert.equal(code, 0, stderr);
  await checkout.npm([...quiet, "list"]).ended;
  assert.equal(await checkout.read("builds"), "one\n");
});

test("arguments arrive as they were given", async (t) => {
  const checkout = await makeCheckout(t);
  const given = ["run", "a  b", `"'\``, "$HOME", "*", "", "\\n", "--", "--name", "x"];
  const { stdout } = await checkout.npm([...quiet, ...given]).ended;
  assert.deepEqual(JSON.parse(stdout), given);
});

test("without arguments it is the daemon, embedded in ./var", async (t) => {
  const checkout = await makeCheckout(t);
  const { stdout } = await checkout.npm(["--silent", "start"]).ended;
  assert.deepEqual(JSON.parse(stdout), ["daemon", "--embedded", "--dir", "./var"]);
});

test("the exit code passes through", async (t) => {
  const checkout = await makeCheckout(t);
  assert.equal((await checkout.npm([...quiet, "exit", "7"]).ended).code, 7);
});

for (const [signal, code] of [
  ["SIGTERM", 143],
  ["SIGINT", 130],
] as const) {
  test(`${signal} to npm ends the program, and npm says so`, async (t) => {
    const checkout = await makeCheckout(t);
    const start = checkout.npm([...quiet, "wait"]);
    const pid = Number(await start.printed(/^pid (\d+)\.$/m));
    start.kill(signal);
    assert.equal((await start.ended).code, code);
    assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
  });
}

test("an old Node.js is told so in one sentence", async (t) => {
  const checkout = await makeCheckout(t);
  const old =
    'data:text/javascript,Object.defineProperty(process,"versions",{value:{node:"20.18.3"}})';
  const { code, stderr } = await checkout.node(["--import", old, "scripts/setup.mjs"]).ended;
  assert.equal(code, 1);
  assert.equal(stderr, "xenlogd: Node.js 20.19 or newer is needed, this is 20.18.3.\n");
});
