// SPDX-License-Identifier: Apache-2.0
//
// `npm run mutants [-- --write] [PATTERN…]`: plants each fault of mutant-list.ts in a copy of the
// repository and runs the tests that have to find it. Exits with 1 if one survives, cannot be planted,
// or if a test fails without it. A PATTERN is part of a file's path or of what is wrong; --write puts
// the outcome into docs/evidence/mutants.md, unless there is a PATTERN.

import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runTests, type TestRun } from "./contained-tests.ts";
import { type Mutant, mutants, plant } from "./mutant-list.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const copied = ["src", "test", "scripts", "bench", "package.json", "tsconfig.json", "biome.json"];
const linked = ["node_modules", ".cache"];
/** As `npm test` runs them: with more, tests of time fail by themselves. */
const atOnce = 2;

interface Outcome extends TestRun {
  readonly kind: "killed" | "survived" | "invalid";
}

process.chdir(root);
// Of the kills at each system call `npm test` tries one in sixteen: some faults show at few of them.
process.env["XENLOGD_TEST_KILLS"] ??= "4";
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const patterns = args.filter((arg) => arg !== "--write");
  const chosen = mutants.filter(({ file, what }) =>
    [...patterns, ...(patterns.length === 0 ? [""] : [])].some((p) =>
      `${file}: ${what}`.includes(p),
    ),
  );
  const begun = new Date();
  const base = fs.mkdtempSync(join(tmpdir(), "xm-"));
  try {
    const files = [...new Set(chosen.flatMap(({ tests }) => tests))];
    const healthy = await each(base, files, (copy, file) => runTests(copy, [file]));
    const failed = files.filter((_, index) => healthy[index]?.by !== undefined);
    if (failed.length > 0) print(`fails without a fault: ${failed.join(", ")}`);
    const outcomes = failed.length > 0 ? [] : await each(base, chosen, judge);
    const killed = outcomes.filter(({ kind }) => kind === "killed").length;
    print(`${killed} of ${chosen.length} faults were found`);
    if (args.includes("--write") && patterns.length === 0 && failed.length === 0) {
      fs.writeFileSync("docs/evidence/mutants.md", report(begun, outcomes));
    }
    return chosen.length > 0 && killed === chosen.length ? 0 : 1;
  } finally {
    fs.rmSync(base, { recursive: true, force: true });
  }
}

/** Does it for each item, each worker in a copy of its own. Outcomes in the items' order. */
async function each<T, O>(
  base: string,
  items: readonly T[],
  act: (copy: string, item: T) => Promise<O>,
): Promise<readonly O[]> {
  const outcomes: O[] = [];
  const queue = [...items.entries()];
  const work = async (_: unknown, worker: number): Promise<void> => {
    const copy = join(base, String(worker));
    for (const name of copied) fs.cpSync(name, join(copy, name), { recursive: true });
    for (const name of linked) fs.symlinkSync(join(root, name), join(copy, name));
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      outcomes[next[0]] = await act(copy, next[1]);
    }
    fs.rmSync(copy, { recursive: true });
  };
  await Promise.all(Array.from({ length: atOnce }).map(work));
  return outcomes;
}

async function judge(copy: string, mutant: Mutant): Promise<Outcome> {
  const path = join(copy, mutant.file);
  const source = fs.readFileSync(path, "utf8");
  let outcome: Outcome;
  try {
    const faulty = plant(mutant, source);
    stripTypeScriptTypes(faulty);
    fs.writeFileSync(path, faulty);
    const run = await runTests(copy, mutant.tests);
    outcome = { ...run, kind: run.by === undefined ? "survived" : "killed" };
  } catch (error) {
    outcome = { kind: "invalid", by: String(error), seconds: 0 };
  }
  fs.writeFileSync(path, source);
  print(`${outcome.kind} ${outcome.seconds.toFixed(1)} s  ${mutant.file}: ${mutant.what}`);
  if (outcome.by !== undefined) print(`    by ${outcome.by}`);
  return outcome;
}

function print(words: string): void {
  process.stdout.write(`${words}\n`);
}

function report(begun: Date, outcomes: readonly Outcome[]): string {
  const git = (...args: string[]): string => execFileSync("git", args, { encoding: "utf8" }).trim();
  const isClean = git("status", "--porcelain", "--", "src", "test", "scripts") === "";
  const rows = mutants.map(({ file, what }, index) => {
    const { kind, by, seconds } = outcomes[index] as Outcome;
    return `| ${file.replace("src/", "")} | ${what} | ${kind} | ${by ?? ""} | ${seconds.toFixed(1)} s |`;
  });
  return `${[
    "# Planted faults",
    "",
    "Written by `npm run mutants -- --write`: each fault of scripts/mutant-list.ts, and the test that found it.",
    "",
    `${git("rev-parse", "--short=12", "HEAD")}${isClean ? "" : ", with changes"}, ${begun.toISOString()},`,
    `${cpus().length} × ${cpus()[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node.js ${process.version}`,
    "",
    "| file | what is wrong | | found by | after |",
    "|---|---|---|---|---|",
    ...rows,
  ].join("\n")}\n`;
}
