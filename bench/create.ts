// SPDX-License-Identifier: Apache-2.0
// From createLogfile to `ready`: many creates, some at a time, and then single ones beside all of those.
//
//   npm run bench:create [-- --streams N] [--at-once N] [--singles N] [--rounds N]

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createLogfile, introduceDomain, type LogfileHandle } from "../src/toolstack/index.ts";
import { TestDaemon } from "../test/support/daemon.ts";

const { values } = parseArgs({
  options: {
    streams: { type: "string", default: "1000" },
    "at-once": { type: "string", default: "8" },
    singles: { type: "string", default: "60" },
    rounds: { type: "string", default: "1" },
  },
});
const [streams, atOnce, singles, rounds] = [
  values.streams,
  values["at-once"],
  values.singles,
  values.rounds,
].map(Number) as [number, number, number, number];

for (let round = 0; round < rounds; round += 1) await measure();

async function measure(): Promise<void> {
  await using daemon = await TestDaemon.start();
  const xenstore = await daemon.xenstore();
  const domids: number[] = [];
  for (let next = 0; next < streams + singles; next += 1) {
    domids.push(await introduceDomain(xenstore, `guest-${next}`));
  }
  const create = (index: number): Promise<LogfileHandle> =>
    createLogfile({
      xenstore,
      domid: domids[index] ?? 0,
      file: daemon.logPath(`guest-${index}.log`),
      fifoDirectory: daemon.fifoDirectory,
      limitBytes: 1 << 20,
      copies: 1,
    });
  const { mainPid, pumpPid } = daemon;
  const pids = { main: mainPid, pump: pumpPid, store: storePid(daemon), client: process.pid };
  const cpuBefore = Object.values(pids).map(cpuSeconds);
  let next = 0;
  const begunMs = performance.now();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < streams) await create(next++);
    }),
  );
  const allSeconds = (performance.now() - begunMs) / 1000;
  const cpu = Object.entries(pids).map(([name, pid], index) => {
    const seconds = cpuSeconds(pid) - (cpuBefore[index] ?? 0);
    return `${name} ${seconds.toFixed(2)}`;
  });
  const times: number[] = [];
  for (let index = streams; index < streams + singles; index += 1) {
    const singleMs = performance.now();
    await create(index);
    times.push(performance.now() - singleMs);
  }
  times.sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.floor(times.length * share)] ?? 0).toFixed(1);
  process.stdout.write(
    `${streams} creates, ${atOnce} at a time: ${allSeconds.toFixed(2)} s (CPU seconds: ${cpu.join(", ")}); ` +
      `one beside them: p50 ${at(0.5)} ms, p90 ${at(0.9)} ms\n`,
  );
}

/** The embedded xenstored that the daemon has started. */
function storePid({ events }: TestDaemon): number {
  return events.find(({ msg }) => msg === "StoreStarted")?.pid ?? 0;
}

/** utime and stime of proc_pid_stat(5), at 100 ticks a second. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
