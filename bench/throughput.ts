// SPDX-License-Identifier: Apache-2.0
// CPU seconds per GB and MB/s of the pump beside a C splice loop (staged, same pipe size), `cat` and
// read+write in Node: one flooding FIFO each, in turn, rotated at 64 MiB (cat: never). CPU is the
// consumer's alone, all its threads, from schedstat. Medians of the rounds, ratios to the C loop.
//
//   npm run bench [-- --rounds N] [--gb N] [--directory D] [--pipe BYTES,BYTES] [--fsync]
//
// --fsync measures xenlogd under each of its policies about power failures, too.
// Runs dist/ on the Node that users have: build first (npm run build).

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { cpus, loadavg, release, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bytesReadable, makeFifo } from "../src/kernel/index.ts";
import { createLogfile, introduceDomain } from "../src/toolstack/index.ts";
import { TestDaemon } from "../test/support/daemon.ts";
import { compileC } from "../test/support/programs.ts";
import { waitFor } from "../test/support/wait.ts";

const limitBytes = 64 << 20;

interface Measured {
  readonly cpuSecondsPerGb: number;
  readonly megabytesPerSecond: number;
}

interface Setup {
  readonly directory: string;
  readonly bytes: number;
  readonly pipeBytes: number;
  readonly flood: string;
  readonly splice: string;
}

type Consumer = (setup: Setup) => Promise<Measured>;

const consumers: Record<string, Consumer> = {
  "C splice, staged": ({ splice, ...setup }) =>
    measureProgram(setup, (fifo, log) => [
      splice,
      "staged",
      fifo,
      log,
      String(limitBytes),
      String(setup.pipeBytes),
    ]),
  xenlogd: (setup) => measureXenlogd(setup),
  cat: (setup) =>
    measureProgram(setup, (fifo, log) => ["sh", "-c", `exec cat "${fifo}" >"${log}"`]),
  "Node read+write": (setup) =>
    measureProgram(setup, (fifo, log) => [
      hostNode(),
      fileURLToPath(new URL("read-write.mjs", import.meta.url)),
      fifo,
      log,
      String(limitBytes),
    ]),
};

const policies: Record<string, Consumer> = {
  'xenlogd, fsync "rotate"': (setup) => measureXenlogd(setup, 'fsync = "rotate"'),
  'xenlogd, fsync "interval" 1s': (setup) => measureXenlogd(setup, 'fsync = "interval"'),
};

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    gb: { type: "string", default: "3" },
    directory: { type: "string", default: tmpdir() },
    pipe: { type: "string", default: "1048576,65536" },
    fsync: { type: "boolean", default: false },
  },
});
process.env["XENLOGD_TEST_TARGET"] = "dist";
process.env["XENLOGD_TEST_NODE"] ??= hostNode();
process.env["TMPDIR"] = values.directory;
for (const pipeBytes of values.pipe.split(",").map(Number)) await bench(pipeBytes);

async function bench(pipeBytes: number): Promise<void> {
  const flood = await compileC("test/support/programs/flood.c");
  const splice = await compileC("bench/splice.c");
  if (!flood.found || !splice.found) throw new Error("the bench needs a C compiler");
  const results = new Map<string, Measured[]>();
  for (let round = 0; round < Number(values.rounds); round += 1) {
    const measured = values.fsync ? { ...consumers, ...policies } : consumers;
    for (const [name, measure] of Object.entries(measured)) {
      const directory = mkdtempSync(join(values.directory, "xenlogd-bench-"));
      const bytes = Math.round(Number(values.gb) * 1e9);
      try {
        const measured = await measure({
          directory,
          bytes,
          pipeBytes,
          flood: flood.path,
          splice: splice.path,
        });
        results.set(name, [...(results.get(name) ?? []), measured]);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    }
  }
  print(pipeBytes, results);
}

function print(pipeBytes: number, results: ReadonlyMap<string, readonly Measured[]>): void {
  const yardstick = median(results.get("C splice, staged") ?? [], "cpuSecondsPerGb");
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const machine = `${cpus()[0]?.model.trim()}, ${cpus().length} cores, Linux ${release()}`;
  say(`\n${pipeBytes / 1024} KiB pipe, ${values.gb} GB a run, medians of ${values.rounds} rounds`);
  say(`${machine}, load ${loadavg()[0]?.toFixed(1)}, ${values.directory}, Node ${nodeVersion()}\n`);
  say("| consumer | CPU s/GB | ratio to C | MB/s |");
  say("|---|---|---|---|");
  for (const [name, measured] of results) {
    const cpu = median(measured, "cpuSecondsPerGb");
    const speed = median(measured, "megabytesPerSecond");
    say(`| ${name} | ${cpu.toFixed(3)} | ${(cpu / yardstick).toFixed(2)} | ${speed.toFixed(0)} |`);
  }
}

function median(measured: readonly Measured[], field: keyof Measured): number {
  const sorted = measured.map((one) => one[field]).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** A program that reads a FIFO to its end. */
async function measureProgram(
  setup: Omit<Setup, "splice">,
  command: (fifo: string, log: string) => readonly string[],
): Promise<Measured> {
  const fifo = join(setup.directory, "fifo");
  makeFifo(fifo, 0o600);
  const [program = "", ...args] = command(fifo, join(setup.directory, "log"));
  // Keeps the consumer from its end until it was looked at.
  const keeper = openSync(fifo, constants.O_RDWR);
  const consumer = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] });
  const pid = consumer.pid ?? 0;
  const before = cpuSeconds(pid);
  const started = performance.now();
  await once(startFlood(setup, fifo), "exit");
  await waitFor("an empty FIFO", () => bytesReadable(keeper) === 0);
  const milliseconds = performance.now() - started;
  // The last bytes are on their way to the file: the consumer sleeps when they are there.
  let cpu = cpuSeconds(pid);
  await waitFor("a consumer at rest", async () => {
    await delay(20);
    const now = cpuSeconds(pid);
    const rests = now === cpu;
    cpu = now;
    return rests;
  });
  closeSync(keeper);
  await once(consumer, "exit");
  return measuredOf(setup.bytes, cpu - before, milliseconds);
}

async function measureXenlogd(setup: Setup, policy = ""): Promise<Measured> {
  const configuration = join(setup.directory, "xenlogd.toml");
  writeFileSync(configuration, `[power-loss]\n${policy}\n`);
  await using daemon = await TestDaemon.start("--config", configuration);
  const xenstore = await daemon.xenstore();
  const handle = await createLogfile({
    xenstore,
    domid: await introduceDomain(xenstore, "bench"),
    file: daemon.logPath("bench-console.log"),
    limitBytes,
    copies: 1,
    fifoDirectory: daemon.fifoDirectory,
  });
  const pids = [daemon.pumpPid, daemon.mainPid];
  const total = (): number => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const before = total();
  const started = performance.now();
  const writer = startFlood(setup, handle.pipe);
  await once(writer, "exit");
  await handle.close();
  // The pump is done when its FIFO is gone; asking it meanwhile would be counted.
  await waitFor("the end of the stream", () => !readdirSync(daemon.fifoDirectory).length);
  const milliseconds = performance.now() - started;
  return measuredOf(setup.bytes, total() - before, milliseconds);
}

function startFlood(setup: Omit<Setup, "splice">, fifo: string): ChildProcess {
  const args = ["-p", String(setup.pipeBytes), fifo, String(setup.bytes)];
  return spawn(setup.flood, args, { stdio: ["ignore", "ignore", "inherit"] });
}

function measuredOf(bytes: number, cpu: number, milliseconds: number): Measured {
  return { cpuSecondsPerGb: cpu / (bytes / 1e9), megabytesPerSecond: bytes / 1e3 / milliseconds };
}

/** CPU time of all threads of a process so far; 0 once it is gone. */
function cpuSeconds(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .map((task) => readFileSync(`/proc/${pid}/task/${task}/schedstat`, "latin1"))
      .reduce((sum, text) => sum + Number(text.split(" ")[0]) / 1e9, 0);
  } catch {
    return 0;
  }
}

/** The Node that users have, not the one of the development tools. */
function hostNode(): string {
  return process.env["npm_node_execpath"] ?? process.execPath;
}

function nodeVersion(): string {
  return execFileSync(hostNode(), ["--version"], { encoding: "utf8" }).trim();
}
