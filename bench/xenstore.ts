// SPDX-License-Identifier: Apache-2.0
// The embedded xenstored beside Debian's C xenstored and oxenstored: the times of Debian's own
// test-xenstore, and what a large directory, many watches and a watcher that does not read cost.
// All servers in each round, in turn; medians of the rounds, ratios to C. CPU is the server's
// alone, all its threads, from schedstat.
//
//   npm run bench:xenstore [-- --rounds N] [--iterations N] [--test NAME] [--only tests|work] [--write]
//
// Runs dist/ on the Node that users have: build first (npm run build). --write makes
// docs/evidence/xenstore.md of it.

import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { cpus, loadavg, release, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { connectXenstore, type XenstoreClient } from "../src/xenstore/index.ts";
import { encodeMessage, encodeStrings, messageType } from "../src/xenstore/message.ts";
import { debianProgram } from "../test/support/debian.ts";
import { ourProgram } from "../test/support/target.ts";
import { startXenstored, xenstoredParts } from "../test/support/xenstored.ts";

interface Server extends AsyncDisposable {
  readonly socketPath: string;
  readonly pid: number;
}

interface Measured {
  /** Microseconds of one operation, or seconds of the whole. */
  readonly time: number;
  readonly cpuSeconds: number;
  /** Why there is no time. */
  readonly failure?: string;
}

type Work = (server: Server) => Promise<Measured>;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    iterations: { type: "string", default: "10000" },
    test: { type: "string", default: "" },
    only: { type: "string", default: "" },
    write: { type: "boolean", default: false },
  },
});
process.env["XENLOGD_TEST_TARGET"] ??= "dist";
process.env["XENLOGD_TEST_NODE"] ??= process.env["npm_node_execpath"] ?? process.execPath;

/** A writer that gets no further is waited for that long. */
const stuckMs = 15_000;
const warmUpRequests = 10_000;
const execute = promisify(execFile);
const [testXenstore, parts] = await Promise.all([debianProgram("test-xenstore"), xenstoredParts()]);
const found = { testXenstore: required(testXenstore), parts: required(parts) };
const directory = mkdtempSync(join(tmpdir(), "xs-bench-"));
const starts: Readonly<Record<string, (dir: string) => Promise<Server>>> = {
  "C xenstored": (dir) => startXenstored({ kind: "c", dir, parts: found.parts }),
  oxenstored: (dir) => startXenstored({ kind: "ocaml", dir, parts: found.parts }),
  embedded: startEmbedded,
};
const lines: string[] = [];

async function run(): Promise<void> {
  const { rounds, iterations } = values;
  const now = new Date().toISOString().slice(0, 10);
  const node = execFileSync(ourProgram("xenlog")[0], ["--version"], { encoding: "utf8" }).trim();
  say(`# The embedded xenstored beside Xen's own, ${now}`, "");
  say(`\`npm run bench:xenstore -- --rounds ${rounds} --iterations ${iterations}\` at commit`);
  say(`${git("rev-parse", "--short", "HEAD")}: medians of ${rounds} rounds, in each of which`);
  say("the servers took turns. Ratios are to C; CPU is the server's own. The machine is shared:");
  say(`${cpus()[0]?.model.trim()}, ${cpus().length} cores, Linux ${release()},`);
  say(`load ${loadavg()[0]?.toFixed(1)}, Node ${node}, Debian's xen-utils-4.17.`);
  if (values.only !== "work") {
    const tests = await compare(testXenstoreWork());
    table("test-xenstore, µs an operation", tests, 1);
  }
  if (values.only !== "tests") table("Whole jobs, seconds", await compare(jobs), 3);
  if (values.write) writeFileSync("docs/evidence/xenstore.md", `${lines.join("\n")}\n`);
}

type Results = ReadonlyMap<string, ReadonlyMap<string, readonly Measured[]>>;

/** Work → server → one measurement a round. */
async function compare(works: Readonly<Record<string, Work>>): Promise<Results> {
  const results = new Map<string, Map<string, Measured[]>>();
  for (let round = 0; round < Number(values.rounds); round += 1) {
    await using servers = new AsyncDisposableStack();
    const started: [name: string, server: Server][] = [];
    for (const [name, start] of Object.entries(starts)) {
      const server = servers.use(await start(mkdtempSync(join(directory, "s-"))));
      await warmUp(server);
      started.push([name, server]);
    }
    for (const [workName, work] of Object.entries(works)) {
      const ofWork = results.get(workName) ?? new Map<string, Measured[]>();
      results.set(workName, ofWork);
      // Who begins changes, so that no server always follows the same other one.
      for (const [name, server] of rotated(started, round)) {
        ofWork.set(name, [...(ofWork.get(name) ?? []), await measure(server, work)]);
      }
    }
  }
  return results;
}

async function measure(server: Server, work: Work): Promise<Measured> {
  const before = cpuSecondsOf(server.pid);
  const measured = await work(server);
  return { ...measured, cpuSeconds: cpuSecondsOf(server.pid) - before };
}

/** A server that has just started compiles while it answers; one that has run does not. */
async function warmUp({ socketPath }: Server): Promise<void> {
  await using warm = await connectXenstore({ socketPath });
  await flood(warmUpRequests, (n) => warm.write(`/warm/${n % 10}`, "x"));
  await flood(warmUpRequests, (n) => warm.read(`/warm/${n % 10}`));
  await warm.rm("/warm");
}

function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const first = by % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

function testXenstoreWork(): Readonly<Record<string, Work>> {
  const { path, env } = found.testXenstore;
  const list = execFileSync(path, ["-l"], { env, encoding: "utf8" }).trim().split("\n");
  const work = (test: string): Work => {
    const args = ["-t", test, "-i", values.iterations];
    return async ({ socketPath }) => {
      const { stdout } = await execute(path, args, { env: { ...env, XENSTORED_PATH: socketPath } });
      const average = /avg: *(\d+) ns/.exec(stdout)?.[1];
      if (average === undefined) throw new Error(`test-xenstore said ${stdout}`);
      return { time: Number(average) / 1000, cpuSeconds: 0 };
    };
  };
  const names = list.map((line) => line.split(":")[0]?.trim() ?? "");
  return Object.fromEntries(
    names.filter((name) => name.includes(values.test)).map((name) => [name, work(name)]),
  );
}

const jobs: Readonly<Record<string, Work>> = {
  "10 000 nodes made in one directory": async (server) =>
    withClients(server, async ([store]) => {
      const time = await timed(() => flood(10_000, (n) => store.write(`/d/node-${n}`, "x")));
      return { time, cpuSeconds: 0 };
    }),
  "that directory listed 200 times": async (server) =>
    withClients(server, async ([store]) => {
      await flood(10_000, (n) => store.write(`/d/node-${n}`, "x"));
      const time = await timed(async () => {
        for (let n = 0; n < 200; n += 1) {
          const names = await store.directory("/d");
          if (names.length !== 10_000) throw new Error(`${names.length} names`);
        }
      });
      return { time, cpuSeconds: 0 };
    }),
  "1000 watches set": async (server) =>
    withClients(server, async ([store]) => {
      return { time: await timed(() => watchThousand(store)), cpuSeconds: 0 };
    }),
  "10 000 writes under 1000 watches": async (server) =>
    withClients(server, async ([store, watcher]) => {
      await watchThousand(watcher);
      const time = await timed(() => flood(10_000, (n) => store.write(`/w/${n % 1000}/v`, "x")));
      return { time, cpuSeconds: 0 };
    }),
  "20 000 writes to 5000 nodes, nobody watches": async (server) =>
    withClients(server, async ([store]) => ({
      time: await timed(() => flood(20_000, (n) => store.write(`/s/${n % 5000}`, "x"))),
      cpuSeconds: 0,
    })),
  "the same under a watcher that does not read": async (server) => {
    await using store = await connectXenstore({
      socketPath: server.socketPath,
      requestTimeoutMs: stuckMs,
      reconnect: false,
    });
    const sleeper = await sleepingWatcher(server.socketPath, "/s");
    try {
      let written = 0;
      const write = async (n: number): Promise<void> => {
        await store.write(`/s/${n % 5000}`, "x");
        written += 1;
      };
      const time = await timed(() => flood(20_000, write)).catch(() => Number.NaN);
      if (!Number.isNaN(time)) return { time, cpuSeconds: 0 };
      return { time, cpuSeconds: 0, failure: `stuck after ${written} writes` };
    } finally {
      // Before the client closes: it waits for its replies, and they wait for this one.
      sleeper.destroy();
    }
  },
};

/** 64 at a time, as a busy toolstack would. */
async function flood(count: number, act: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      await act(next - 1);
    }
  };
  await Promise.all(Array.from({ length: 64 }, worker));
}

async function watchThousand(store: XenstoreClient): Promise<void> {
  await Promise.all(Array.from({ length: 1000 }, (_, n) => store.watch(`/w/${n}`)));
}

/** Sets a watch, reads its OK and first event, and then nothing any more. */
async function sleepingWatcher(socketPath: string, path: string) {
  const socket = connect({ path: socketPath });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  const payload = encodeStrings(path, "sleeper");
  socket.write(encodeMessage({ type: messageType("WATCH"), reqId: 1, txId: 0, payload }));
  await once(socket, "data");
  socket.pause();
  return socket;
}

async function withClients<T>(
  { socketPath }: Server,
  act: (clients: readonly [XenstoreClient, XenstoreClient]) => Promise<T>,
): Promise<T> {
  await using one = await connectXenstore({ socketPath });
  await using other = await connectXenstore({ socketPath });
  return await act([one, other]);
}

async function timed(act: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await act();
  return (performance.now() - startMs) / 1000;
}

async function startEmbedded(dir: string): Promise<Server> {
  mkdirSync(dir, { recursive: true });
  const socketPath = join(dir, "socket");
  const [node, program] = ourProgram("xenlog");
  const args = [program, "xenstored", "--socket", socketPath];
  const child = spawn(node, args, { stdio: ["ignore", "ignore", "inherit"] });
  await (await connectXenstore({ socketPath, timeoutMs: 20_000 })).close();
  return {
    socketPath,
    pid: child.pid ?? 0,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

function table(title: string, results: Results, digits: number): void {
  const names = Object.keys(starts);
  say("", `## ${title}`, "");
  say(`| | ${names.join(" | ")} | embedded / C | CPU s ${names.join(" / ")} |`);
  say(`|---${"|---".repeat(names.length + 2)}|`);
  for (const [work, ofWork] of results) {
    const times = names.map((name) => medianOf(ofWork.get(name) ?? [], "time"));
    const failures = names.map((name) => ofWork.get(name)?.find((one) => one.failure)?.failure);
    const cells = times.map((time, index) => failures[index] ?? time.toFixed(digits));
    const cpu = names.map((name) => medianOf(ofWork.get(name) ?? [], "cpuSeconds").toFixed(2));
    const ratio = (times[names.indexOf("embedded")] ?? Number.NaN) / (times[0] ?? Number.NaN);
    say(`| ${work} | ${cells.join(" | ")} | **${ratio.toFixed(2)}** | ${cpu.join(" / ")} |`);
  }
}

function medianOf(measured: readonly Measured[], field: "time" | "cpuSeconds"): number {
  const sorted = measured.map((one) => one[field]).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** CPU time of all threads of a process so far. */
function cpuSecondsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((task) => readFileSync(`/proc/${pid}/task/${task}/schedstat`, "latin1"))
    .reduce((sum, text) => sum + Number(text.split(" ")[0]) / 1e9, 0);
}

function say(...said: string[]): void {
  lines.push(...said);
  process.stdout.write(`${said.join("\n")}\n`);
}

function git(...args: string[]): string {
  return execFileSync("git", args, { encoding: "utf8" }).trim();
}

function required<T extends { readonly found: boolean }>(part: T): Extract<T, { found: true }> {
  if (part.found) return part as Extract<T, { found: true }>;
  throw new Error((part as unknown as { reason: string }).reason);
}

try {
  await run();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
