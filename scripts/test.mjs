// SPDX-License-Identifier: Apache-2.0
//
// `npm test`: set-up, checks, the tests on src/ with Node 24, the integration stories on dist/ with
// the Node that runs npm. `npm test -- PATTERN…` runs only the test files whose path holds a
// PATTERN. The last line is `N passed, N failed, N skipped`; with CI set a skip is a failure.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runTestFile, stopTestFiles } from "./test-file.mjs";

// Whole processes before pure functions: the longest test must not start last.
const folders = ["integration", "system", "interop", "ci", "model", "unit"];
const storiesFolder = "test/integration/stories/";
// Two: the size of the machines that CI has; more would only make timing tests lie.
const filesAtOnce = 2;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143 })) {
  process.on(signal, () => {
    stopTestFiles();
    process.exit(code);
  });
}
process.exitCode = await main(process.argv.slice(2));

async function main(patterns) {
  const setUp = await run(process.execPath, ["scripts/setup.mjs"]);
  if (setUp !== 0) {
    return conclude([{ kind: "failed", name: "set-up", reason: `ended with code ${setUp}` }]);
  }
  const node24 = join(root, "node_modules/.bin/node");
  if (!existsSync(node24)) {
    const reason = "the development Node.js is not among the packages for this platform";
    return conclude([{ kind: "failed", name: "set-up", reason }]);
  }
  const jobs = plan(patterns, node24);
  if (jobs.length === 0 || (patterns.length === 0 && !jobs.some((job) => job.target === "dist"))) {
    const reason = jobs.length === 0 ? "no test file found" : `no story in ${storiesFolder}`;
    return conclude([{ kind: "failed", name: "test files", reason }]);
  }
  const [checks] = await Promise.all([
    patterns.length === 0 ? run("npm", ["run", "--silent", "check"]) : 0,
    // Its failure is ignored: each test that lacks a program skips with the reason.
    run(node24, ["scripts/debian.ts"]),
  ]);
  if (checks !== 0) {
    return conclude([{ kind: "failed", name: "npm run check", reason: "its words are above" }]);
  }
  return conclude(await runAll(jobs));
}

function plan(patterns, node24) {
  const files = folders.flatMap((folder) => testFiles(`test/${folder}`));
  const chosen = files.filter(
    (file) => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern)),
  );
  const stories = chosen.filter((file) => file.startsWith(storiesFolder));
  return [
    ...chosen.map((file) => ({ file, node24, target: "src", env: {} })),
    ...stories.map((file) => ({
      file,
      node24,
      target: "dist",
      env: { XENLOGD_TEST_TARGET: "dist", XENLOGD_TEST_NODE: process.execPath },
    })),
  ];
}

function testFiles(folder) {
  if (!existsSync(folder)) {
    return [];
  }
  const names = readdirSync(folder, { recursive: true });
  return names
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `${folder}/${name}`)
    .sort();
}

async function runAll(jobs) {
  const resultFolder = join(root, ".cache/test");
  rmSync(resultFolder, { recursive: true, force: true });
  mkdirSync(resultFolder, { recursive: true });
  const results = [];
  const queue = jobs.map((job, number) => ({
    ...job,
    resultPath: join(resultFolder, `${number}`),
  }));
  const work = async () => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      results.push(...(await runTestFile(job)));
    }
  };
  await Promise.all(Array.from({ length: filesAtOnce }, work));
  return results;
}

/** Prints what failed and what was skipped, then the line that tools read; gives the exit code. */
function conclude(results) {
  const of = (kind) => results.filter((result) => result.kind === kind);
  const [passed, failed, skipped] = [of("passed"), of("failed"), of("skipped")];
  const skipIsFailure = !["", "0", "false"].includes(process.env.CI ?? "");
  list("Failed:", failed);
  list(skipIsFailure ? "Skipped, a failure under CI:" : "Skipped:", skipped);
  print(`\n${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped`);
  return failed.length > 0 || passed.length === 0 || (skipIsFailure && skipped.length > 0) ? 1 : 0;
}

function list(title, results) {
  if (results.length > 0) {
    const lines = results.map(({ name, reason }) => `  ${name}\n      ${reason}`);
    print(`\n${title}\n${lines.join("\n")}`);
  }
}

function print(words) {
  process.stdout.write(`${words}\n`);
}

function run(file, args) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { stdio: ["ignore", "inherit", "inherit"] });
    child.on("error", () => resolve(127));
    child.on("close", (code, signal) => resolve(code ?? signal));
  });
}
