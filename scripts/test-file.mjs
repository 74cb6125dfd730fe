// SPDX-License-Identifier: Apache-2.0
//
// Runs one test file in a process group of its own and reports the result of each test in it. The
// whole group is killed when the file takes too long: node --test bounds a test, but neither an endless
// loop nor a handle that stays open. What the file leaves behind is a failure, and is removed.

import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makePlace, removePlace, takeLeftovers } from "./leftovers.mjs";

const fileSecondsMax = Number(process.env.XENLOGD_TEST_FILE_SECONDS ?? 240);
// Below the file's limit, so that the runner itself names a test that hangs.
const testMillisecondsMax = fileSecondsMax * 800;
const reporter = fileURLToPath(new URL("./counting-reporter.mjs", import.meta.url));
const running = new Map();

/** Gives `{ kind: "passed" | "failed" | "skipped", name, reason }` for each test of the file. */
export async function runTestFile({ file, node24, target, env, resultPath }) {
  const title = target === "src" ? file : `${file} (${target})`;
  const ended = await spawnFile(node24, testArguments(file, resultPath), env);
  process.stdout.write(`\n▶ ${title} (${ended.seconds.toFixed(1)} s)\n${ended.output}`);
  return judge(ended, readResults(resultPath)).map((result) => ({
    ...result,
    name: result.name === undefined ? title : `${title}: ${result.name}`,
  }));
}

/** Kills what runs, at once: for the runner's own end. */
export function stopTestFiles() {
  for (const [child, place] of running) {
    killGroup(child);
    removePlace(place);
  }
}

function testArguments(file, resultPath) {
  return [
    `--test-timeout=${testMillisecondsMax}`,
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    `--test-reporter=${reporter}`,
    `--test-reporter-destination=${resultPath}`,
    file,
  ];
}

function spawnFile(node24, args, env) {
  const start = process.hrtime.bigint();
  const place = makePlace();
  const child = spawn(node24, args, {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...quickStart(), ...env, ...place.env },
  });
  running.set(child, place);
  const chunks = [];
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    killGroup(child);
  }, fileSecondsMax * 1000);
  child.stdout.on("data", (chunk) => chunks.push(chunk));
  child.stderr.on("data", (chunk) => chunks.push(chunk));
  const removed = new Promise((resolve) => {
    child.on("error", () => resolve(removePlace(place)));
    // A process left behind holds the pipes open: "close" alone would wait for it.
    child.on("exit", async () => {
      const left = await takeLeftovers(place);
      killGroup(child);
      resolve(left);
    });
  });
  return new Promise((resolve) => {
    const finish = async (outcome) => {
      clearTimeout(timer);
      const left = await removed;
      running.delete(child);
      const seconds = Number(process.hrtime.bigint() - start) / 1e9;
      resolve({ outcome, late, left, seconds, output: Buffer.concat(chunks).toString() });
    };
    child.on("error", (error) => finish(error.message));
    child.on("close", (code, signal) => finish(code ?? signal));
  });
}

function killGroup(child) {
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // The group is empty: nothing was left behind.
  }
}

function readResults(path) {
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
  // The last line of a killed process may be cut: it is then no event.
  return lines.slice(0, -1).map((line) => JSON.parse(line));
}

function judge({ outcome, late, left }, events) {
  const results = events.filter(({ kind }) => ["passed", "failed", "skipped"].includes(kind));
  if (late) {
    const at = unfinished(events);
    const reason = `did not end within ${fileSecondsMax} s${at === "" ? "" : `, was at: ${at}`}`;
    return [...results, { kind: "failed", reason }];
  }
  if (outcome !== 0 && !results.some(({ kind }) => kind === "failed")) {
    return [...results, { kind: "failed", reason: `ended with ${outcome}` }];
  }
  if (left.length > 0) {
    return [...results, { kind: "failed", reason: `left behind: ${left.join(", ")}` }];
  }
  return results.length > 0 ? results : [{ kind: "failed", reason: "the file holds no test" }];
}

function unfinished(events) {
  const open = new Set();
  for (const { kind, name } of events) {
    if (kind === "started") {
      open.add(name);
    } else {
      open.delete(name);
    }
  }
  return [...open].join(", ");
}

/**
 * The stories start hundreds of processes. Node 24 keeps what it has compiled (Node 20 does not know
 * the variable), and no test speaks TLS, for which Node reads all certificates at its start.
 */
function quickStart() {
  const { NODE_EXTRA_CA_CERTS: _certificates, ...env } = process.env;
  return { ...env, NODE_COMPILE_CACHE: join(process.cwd(), ".cache/compiled") };
}
