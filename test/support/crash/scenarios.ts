// SPDX-License-Identifier: Apache-2.0
// What a stream goes through while its pumps are killed at every crash point. A new thing that the
// pump does becomes a scenario here, with the crash points that a human would expect it to have.

import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { type Act, isDivisible, PumpBench, type PumpBenchOptions } from "./bench.ts";
import type { Kill } from "./crash-points.ts";
import { type Meddling, meddlings } from "./meddler.ts";

export interface Scenario {
  readonly name: string;
  readonly options: PumpBenchOptions;
  readonly play: (bench: PumpBench) => void;
  /** Crash points that have to be among those it comes to. */
  readonly points: readonly string[];
  /** Its play kills pumps by itself. */
  readonly isDeadly?: boolean;
  /** Besides what every log is held against. */
  readonly check?: (bench: PumpBench) => void;
}

/** Of every pump that writes to a log. */
const everyPump = [
  "open note create",
  "write note",
  "open x.log create",
  "lseek log",
  "open positions create",
  "open side file create",
  "write side file",
  "write positions",
  "splice fifo -> stage",
  "splice stage -> log",
];

/** Of every rotation, from the oldest copy to the new live file. */
function rotation(copies: number): readonly string[] {
  const oldest = copies === 0 ? "x.log" : `x.log.${copies}`;
  const renames = Array.from({ length: copies }, (_, index) => {
    const from = index === 0 ? "x.log" : `x.log.${index}`;
    return `rename ${from} -> x.log.${index + 1}`;
  });
  return ["tee stage -> scratch", `unlink ${oldest}`, ...renames, "open x.log create"];
}

/** Fills the chain and more, with a newline near the cut and without one. */
function rotate(bench: PumpBench, copies: number, limitBytes: number): void {
  bench.write(1000);
  bench.pump();
  // Up to the end of a line just below the limit: what follows has no newline to cut at.
  bench.write(limitBytes - 1000 - 128, 1);
  bench.pump();
  bench.write(limitBytes * 2 + 100, 0);
  bench.pump();
  bench.write(limitBytes * Math.max(1, copies - 1) + 700);
  bench.pump();
  bench.write(10);
  bench.pump();
}

function rotationScenario(copies: number, limitBytes: number): Scenario {
  return {
    name: `rotation with ${copies} copies of ${limitBytes} bytes`,
    // Without copies the new live file may get the old one's inode number.
    options: { limitBytes, copies, disk: copies === 0 ? "disk" : "memory" },
    play: (bench) => rotate(bench, copies, limitBytes),
    points: [...everyPump, ...rotation(copies)],
  };
}

/** A bound that is changed while a pump runs, in both directions. */
function liveBoundScenario(copies: number): Scenario {
  return {
    name: `bounds that change under it, with ${copies} copies at first`,
    options: { limitBytes: 8192, copies },
    play: (bench) => {
      bench.write(15_000);
      bench.pump();
      bench.write(500);
      bench.pump((stream) =>
        bench.rebound(stream, { limitBytes: 4096, copies: Math.max(1, copies - 1) }),
      );
      bench.write(9000, 0);
      bench.pump((stream) => bench.rebound(stream, { limitBytes: 6000, copies }));
      bench.write(100);
      bench.pump((stream) => bench.rebound(stream, { limitBytes: 6000, copies: 0 }));
    },
    points: [...everyPump, "open .x.log.trim create", "rename .x.log.trim -> x.log"],
  };
}

function sideFileScenario(what: string): Scenario {
  return {
    name: `a side file that is ${what}`,
    options: { limitBytes: 4096, copies: 2 },
    play: (bench) => {
      bench.write(6000);
      bench.pump();
      const path = bench.logPath(".x.log.xenlogd");
      rmSync(path, { recursive: true });
      if (what === "a directory") mkdirSync(path);
      if (what === "of another version")
        writeFileSync(path, `xenlogd-index 9 1 2\n${"x".repeat(9000)}`);
      bench.write(1000);
      bench.pump();
      bench.write(4000);
      bench.pump();
    },
    points: [...everyPump, "rename x.log -> x.log.1"],
  };
}

/** What others do while no pump looks. */
function meddlingScenario(what: Meddling): Scenario {
  return {
    name: `somebody's hands on its files: ${what}`,
    options: { limitBytes: 4096, copies: 2 },
    play: (bench) => {
      bench.write(6000);
      bench.pump();
      bench.write(1000);
      bench.meddle(what);
      bench.pump();
      bench.write(3000);
      bench.pump();
    },
    points: everyPump,
  };
}

/** What others do while a pump runs, and is told to look or is not. */
function lateMeddlingScenario(what: Meddling): Scenario {
  return {
    name: `somebody's hands on the files it has open: ${what}`,
    options: { limitBytes: 4096, copies: 2 },
    play: (bench) => {
      const once = (isTold: boolean): Act => {
        let isDone = false;
        return (stream) => {
          if (!isDone) bench.meddle(what);
          isDone = true;
          if (isTold) stream.lookAtFiles();
        };
      };
      bench.write(6000);
      bench.pump();
      bench.write(1000);
      bench.pump(once(true));
      bench.pump();
      // Not told, it notices when it rotates at the latest.
      bench.write(4500);
      bench.pump(once(false));
      bench.write(3000);
      bench.pump();
      bench.write(3000);
      bench.pump();
    },
    points: everyPump,
  };
}

export const scenarios: readonly Scenario[] = [
  rotationScenario(0, 4096),
  rotationScenario(1, 16_384),
  rotationScenario(3, 4096),
  ...[0, 1, 3].map(liveBoundScenario),
  {
    name: "a next owner of its file",
    options: { limitBytes: 16_384, copies: 1, stageBytes: 4096 },
    play: (bench) => {
      bench.write(1000);
      bench.pump();
      // More than one stage has room for: some of it comes too late.
      bench.write(15_000);
      bench.succeed();
      bench.write(2000);
      bench.pump();
      bench.writeLate(7000);
      bench.write(3000);
      bench.pump();
      bench.writeLate(10);
      bench.pump();
    },
    points: [...everyPump, "splice stage -> /dev/null"],
  },
  {
    name: "lines of ours",
    options: { limitBytes: 4096, copies: 2 },
    play: (bench) => {
      bench.mark("[at the begin]");
      bench.write(960, 3);
      bench.pump();
      bench.mark("[at the end of a line]");
      bench.write(1000);
      bench.pump();
      bench.mark("[within a line]");
      bench.mark("[and one more]");
      bench.write(1500, 1);
      bench.pump();
      bench.mark("[without room]");
      bench.write(3000, 0);
      bench.pump();
      bench.mark("[without room, within a line]");
      bench.pump();
      bench.write(100);
      bench.pump();
    },
    points: [...everyPump, "write log", "rename x.log -> x.log.1"],
    check: (bench) => {
      const text = bench.contents().toString();
      for (const line of ["[within a line]", "[and one more]", "[without room]"]) {
        assert.equal(text.split(line).length, 2, line);
      }
    },
  },
  {
    name: "stages that are lost with it",
    options: {
      limitBytes: 4096,
      copies: 3,
      stageBytes: 4096,
      afterKill: (bench) => bench.loseStages(),
    },
    play: (bench) => {
      bench.write(3000);
      bench.pump();
      bench.write(6000);
      bench.pump();
      bench.write(2000, 0);
      bench.pump();
    },
    points: [...everyPump, "rename x.log -> x.log.1"],
  },
  {
    name: "the successor of one whose stages are lost",
    isDeadly: true,
    options: { limitBytes: 4096, copies: 2 },
    play: (bench) => {
      bench.write(3500);
      bench.pumpOnce({ at: "splice stage -> log", when: "short" });
      bench.loseStages();
      bench.write(1000);
      bench.pump();
      bench.write(1000);
      bench.pumpOnce({ at: "splice fifo -> stage", when: "after" });
      bench.loseStages();
      bench.pump();
      bench.write(5);
      bench.pump();
    },
    points: [...everyPump, "write log", "write note"],
  },
  ...["missing", "of another version", "a directory"].map(sideFileScenario),
  ...meddlings.flatMap((what) => [meddlingScenario(what), lateMeddlingScenario(what)]),
  {
    name: "a new epoch on the same file",
    options: { limitBytes: 4096, copies: 1 },
    play: (bench) => {
      bench.write(3000);
      bench.pump();
      bench.write(2000);
      bench.newEpoch();
      bench.write(2000);
      bench.pump();
      bench.write(2000);
      bench.pump();
    },
    points: [...everyPump, "rename x.log -> x.log.1"],
  },
  {
    name: "somebody's hands on a file that has bytes of an older epoch to come",
    isDeadly: true,
    options: { limitBytes: 4096, copies: 0 },
    play: (bench) => {
      bench.write(4345, 0);
      bench.pumpOnce({ at: "splice stage -> log", when: "short" });
      bench.newEpoch();
      bench.meddle("unlink");
      bench.pump();
      bench.write(500);
      bench.pump();
    },
    points: everyPump.filter((point) => point !== "open note create"),
  },
  {
    name: "the end of a stream",
    options: { limitBytes: 4096, copies: 1 },
    play: (bench) => {
      bench.write(3000);
      bench.hangUp();
      bench.pump((stream) => stream.nodesGone());
      bench.pump((stream) => stream.nodesGone());
      assert.ok(bench.isClosed);
    },
    points: [...everyPump, "unlink fifo"],
  },
  {
    name: "a lower limit for a whole chain, told to a successor",
    options: { limitBytes: 8192, copies: 3 },
    play: (bench) => {
      bench.write(32_768, 1);
      bench.pump();
      bench.reconfigure({ limitBytes: 7500, copies: 3 });
      bench.write(100);
      bench.pump();
    },
    points: [...everyPump, "unlink x.log.3", "write .x.log.trim", "write .x.log.1.trim"],
  },
  {
    name: "a lower bound, and a higher one",
    options: { limitBytes: 8192, copies: 2 },
    play: (bench) => {
      bench.write(23_000);
      bench.pump();
      bench.reconfigure({ limitBytes: 4096, copies: 1 });
      bench.write(1000);
      bench.pump();
      bench.reconfigure({ limitBytes: 6000, copies: 3 });
      bench.write(9000, 0);
      bench.pump();
    },
    points: [
      ...everyPump,
      "unlink x.log.2",
      ...["x.log", "x.log.1"].flatMap((name) => [
        `open .${name}.trim create`,
        `write .${name}.trim`,
        `rename .${name}.trim -> ${name}`,
      ]),
    ],
  },
];

/** Plays it with pumps killed there, and holds the log against what was sent. */
export function playScenario(
  scenario: Scenario,
  options: Partial<PumpBenchOptions>,
): PlayedScenario {
  using bench = new PumpBench({ ...scenario.options, ...options });
  scenario.play(bench);
  bench.check();
  scenario.check?.(bench);
  return { points: bench.points, killsLeft: bench.killsLeft };
}

export interface PlayedScenario {
  readonly points: readonly string[];
  readonly killsLeft: number;
}

type NumberedKill = Kill & { readonly at: number };

/** Every way to be killed at one of the points. */
export function killsAt(points: readonly string[]): readonly NumberedKill[] {
  return points.flatMap((point, at): NumberedKill[] => [
    { at, when: "before" },
    { at, when: "after" },
    ...(isDivisible(point) ? [{ at, when: "short" } as const] : []),
  ]);
}
