// SPDX-License-Identifier: Apache-2.0
//
// `npm run test:torture [-- PATTERN…]`: the tests of the promises at length, most of an hour, and
// the evidence in docs/evidence/torture.md: what ran, when, on which machine, and the results.
// Exits with 1 if a test fails. A PATTERN runs only the files whose path holds it, and writes no
// evidence.

import { execFileSync, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makePlace, takeLeftovers } from "./leftovers.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const evidence = "docs/evidence/torture.md";
const testMsMax = 4 * 3_600_000;

interface Long {
  readonly file: string;
  readonly environment: Readonly<Record<string, string>>;
  /** What is shown, for the evidence. */
  readonly shows: string;
}

const longs: readonly Long[] = [
  {
    file: "test/integration/pump/torture.test.ts",
    environment: { XENLOGD_TORTURE_KILLS: "1000", XENLOGD_TORTURE_POSITIONS: "10000" },
    shows: "exactly once, or the exact number of lost bytes; positions",
  },
  {
    file: "test/integration/pump/bound.test.ts",
    environment: { XENLOGD_TORTURE_LOOKS: "300000" },
    shows: "never above the bound",
  },
  {
    file: "test/integration/pump/crash-points.test.ts",
    environment: { XENLOGD_TEST_KILLS: "1", XENLOGD_TEST_PAIRS: "1000" },
    shows: "every system call of the pump, killed before and after it, and its successor too",
  },
  {
    file: "test/model/pump/pump.test.ts",
    environment: { XENLOGD_TEST_RUNS: "10000" },
    shows: "random lives against the model",
  },
  {
    file: "test/integration/vault/killed-at-ready.test.ts",
    environment: { XENLOGD_READY_ROUNDS: "200", XENLOGD_READY_STREAMS: "1,100,1000" },
    shows: "main and pump killed at the instant of `ready`, nothing lost",
  },
  {
    file: "test/integration/vault/killed-in-start.test.ts",
    environment: { XENLOGD_START_KILLS: "200" },
    shows: "main killed while it starts, no process and no file left",
  },
  {
    file: "test/system/surroundings/surroundings.test.ts",
    environment: { XENLOGD_SURROUNDINGS: "all" },
    shows: "disks that are full, without inodes, read-only: what goes on",
  },
  {
    file: "test/integration/daemon/dropping-killed.test.ts",
    environment: { XENLOGD_DROP_KILLS: "30" },
    shows: "pumps killed while they drop: each byte is written or counted, once",
  },
  {
    file: "test/integration/daemon/power-loss.test.ts",
    environment: {},
    shows: "a power failure under each fsync policy",
  },
];

interface Outcome {
  readonly long: Long;
  readonly code: number;
  readonly minutes: number;
  /** The runner's output: tests and diagnostics. */
  readonly words: readonly string[];
}

process.chdir(root);
process.exitCode = await main(process.argv.slice(2));

async function main(patterns: readonly string[]): Promise<number> {
  const chosen = longs.filter(
    ({ file }) => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern)),
  );
  const begun = new Date();
  const outcomes: Outcome[] = [];
  for (const long of chosen) {
    outcomes.push(await run(long));
    // After each file, in case the run is stopped.
    if (patterns.length === 0) writeFileSync(evidence, report(begun, outcomes));
  }
  return outcomes.length > 0 && outcomes.every(({ code }) => code === 0) ? 0 : 1;
}

async function run(long: Long): Promise<Outcome> {
  const begun = performance.now();
  const args = [`--test-timeout=${testMsMax}`, "--test-reporter=spec", long.file];
  const place = makePlace();
  // The daemon is started thousands of times.
  const quickStart = { NODE_COMPILE_CACHE: join(root, ".cache/compiled") };
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...quickStart, ...long.environment, ...place.env },
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    process.stdout.write(text);
  });
  const code = await new Promise<number>((resolve) => {
    child.on("close", (status) => resolve(status ?? 1));
  });
  const left = (await takeLeftovers(place)).map((what) => `✖ left behind: ${what}\n`);
  process.stdout.write(left.join(""));
  const words = (output + left.join(""))
    .split("\n")
    .filter((line) => /^\s*(✔|✖|ℹ)/.test(line) && !/^ℹ (suites|cancelled|todo|duration)/.test(line))
    .map((line) => line.replace(/ \(\d+(\.\d+)?ms\)$/, ""));
  return {
    long,
    code: left.length > 0 ? 1 : code,
    minutes: (performance.now() - begun) / 60_000,
    words,
  };
}

function report(begun: Date, outcomes: readonly Outcome[]): string {
  const git = (...args: string[]): string => execFileSync("git", args, { encoding: "utf8" }).trim();
  const [cpu] = cpus();
  const isClean = git("status", "--porcelain", "--", "src", "test") === "";
  const head = [
    "# The torture tests, at length",
    "",
    "Written by `npm run test:torture`. Seeds are in the tests' own words.",
    "",
    "| | |",
    "|---|---|",
    `| commit | ${git("rev-parse", "--short=12", "HEAD")}${isClean ? "" : ", with changes"} |`,
    `| begun | ${begun.toISOString()} |`,
    `| machine | ${cpus().length} × ${cpu?.model ?? "?"}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, ${fileSystem()} |`,
    `| Node.js | ${process.version} |`,
    "",
  ];
  const parts = outcomes.flatMap(({ long, code, minutes, words }) => [
    `## ${long.shows}`,
    "",
    `\`${assignments(long)}${long.file}\`: ${code === 0 ? "passed" : "FAILED"}, ${minutes.toFixed(1)} min`,
    "",
    "```",
    ...words,
    "```",
    "",
  ]);
  return [...head, ...parts].join("\n");
}

function assignments({ environment }: Long): string {
  return Object.entries(environment)
    .map(([name, value]) => `${name}=${value} `)
    .join("");
}

/** Where the tests' logs are. */
function fileSystem(): string {
  const mounts = readFileSync("/proc/mounts", "latin1").split("\n");
  const found = mounts
    .map((line) => line.split(" "))
    .filter(([, path = ""]) => path === "/" || path === "/tmp")
    .at(-1);
  return `${found?.[2] ?? "?"} for the logs`;
}
