// SPDX-License-Identifier: Apache-2.0
//
// One suite on four servers: the embedded one, Debian's xenstored and oxenstored, and a transcript of
// Debian's xenstored, which needs no Debian program. Each case has a server of its own, so no case
// depends on another. XENLOGD_CASE_SEED=N plays the cases in the random order of that seed.
// To record the transcript: XENLOGD_RECORD_TRANSCRIPT=1 npm test -- conformance

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { randomFrom } from "../support/random.ts";
import { xenstoredParts } from "../support/xenstored.ts";
import type { Case, Otherwise, Row } from "./conformance/case-language.ts";
import { groups } from "./conformance/cases.ts";
import {
  type Difference,
  type DifferenceName,
  differences,
  eventsAfterReply,
} from "./conformance/differences.ts";
import { createPlayer } from "./conformance/player.ts";
import { startDebian, startEmbedded } from "./conformance/targets.ts";
import { parseTranscript, recorded, replayed } from "./conformance/transcript.ts";
import type { ServerName, Target } from "./conformance/wire.ts";

const transcriptFile = new URL("conformance/xenstored-4.17.transcript", import.meta.url);
const isRecording = process.env["XENLOGD_RECORD_TRANSCRIPT"] === "1";
const parts = await xenstoredParts();
const skip = parts.found ? false : parts.reason;
const seed = Number(process.env["XENLOGD_CASE_SEED"] ?? 0);
const recording = new Map<string, readonly string[]>();

/** Start the server for one case. */
const servers: Readonly<Record<ServerName, (caseName: string) => Promise<Target>>> = {
  c: async (caseName) => {
    const lines: string[] = [];
    recording.set(caseName, lines);
    return recorded(await debian("c"), lines);
  },
  transcript: async (caseName) => {
    if (isRecording) await writeFile(transcriptFile, recordedText());
    const found = parseTranscript(await readFile(transcriptFile, "utf8")).get(caseName);
    if (found === undefined) throw new Error(`the transcript lacks "${caseName}": record it again`);
    return replayed(found);
  },
  embedded: startEmbedded,
  ocaml: () => debian("ocaml"),
};

const nameOf = (group: string, each: Case): string => `${group}: ${each.name}`;

/** The recording in the order of the tables, whatever the order of playing was. */
function recordedText(): string {
  const names = Object.entries(groups).flatMap(([group, cases]) =>
    cases.map((each) => nameOf(group, each)),
  );
  const lines = names.flatMap((name) => [`= ${name}`, ...(recording.get(name) ?? [])]);
  const head = "# Debian's xenstored 4.17, recorded by test/system/conformance.test.ts";
  return `${head}\n${lines.join("\n")}\n`;
}

/** In the order of the seed; without one, as they are. */
function ordered<T>(items: readonly T[]): readonly T[] {
  if (seed === 0) return items;
  const random = randomFrom(seed);
  return items
    .map((item) => ({ item, rank: random() }))
    .sort((one, other) => one.rank - other.rank)
    .map(({ item }) => item);
}

/** Differences that a case met, and on which server. */
const met = new Set<string>();

for (const [name, start] of Object.entries(servers) as [
  ServerName,
  (caseName: string) => Promise<Target>,
][]) {
  const isDebian = name === "c" || name === "ocaml";
  for (const [group, cases] of ordered(Object.entries(groups))) {
    test(`${name}: ${group}, ${cases.length} cases`, { skip: isDebian && skip }, async (t) => {
      if (seed !== 0) t.diagnostic(`${name}: ${group}: order of XENLOGD_CASE_SEED=${seed}`);
      for (const each of ordered(cases)) {
        await using target = await start(nameOf(group, each));
        await playCase(target, group, each);
      }
    });
  }
}

test("the transcript is what Debian's xenstored answers, byte for byte", { skip }, async () => {
  const lines = (await readFile(transcriptFile, "utf8")).split("\n");
  for (const [number, line] of recordedText().split("\n").entries()) {
    assert.equal(line, lines[number], `line ${number + 1}`);
  }
});

test("each known difference is met, and these are all", { skip }, (t) => {
  for (const [name, { servers: known, what, source }] of Object.entries(differences)) {
    for (const server of known)
      assert.ok(met.has(`${name} ${server}`), `${name}: not on ${server}`);
    t.diagnostic(`${known.join(", ")}: ${what} [${source}]`);
  }
  const { servers: known, what, source } = eventsAfterReply;
  t.diagnostic(`${known.join(", ")}: ${what} [${source}]`);
});

async function playCase(target: Target, group: string, { name, rows }: Case): Promise<void> {
  const player = createPlayer(target);
  try {
    for (const row of rows) {
      const expected = expectedOf(row, target.name);
      if (expected === "not played") continue;
      const lines = await player.play(row[0]);
      if (expected === "anything") continue;
      const at = `${target.name}: ${group}: ${name}: ${row[0].slice(0, 200)}`;
      assert.deepEqual(byClient(lines.map(hideChance(expected))), byClient(expected), at);
    }
  } finally {
    player.close();
  }
}

function debian(kind: "c" | "ocaml"): Promise<Target> {
  assert.ok(parts.found);
  return startDebian(kind, parts);
}

/** A transcript is of C. */
const playedOf = (server: ServerName): Difference["servers"][number] =>
  server === "transcript" ? "c" : server;

function expectedOf(
  [step, ...expected]: Row,
  server: ServerName,
): readonly string[] | "anything" | "not played" {
  const known = expected
    .filter((each): each is Otherwise => typeof each === "object" && "difference" in each)
    .find(({ difference }) => concerns(difference, server));
  if (known !== undefined) {
    met.add(`${known.difference} ${playedOf(server)}`);
    return known.lines ?? "not played";
  }
  if (expected.some((each) => typeof each === "object" && "anything" in each)) return "anything";
  const lines = expected.filter((each) => typeof each === "string");
  const late = eventsAfterReply.servers.includes(playedOf(server));
  return late && !step.includes("TRANSACTION_END") ? eventsLast(lines) : lines;
}

function concerns(difference: DifferenceName, server: ServerName): boolean {
  const known = differences[difference];
  assert.ok(known, `no difference is called ${difference}`);
  return known.servers.includes(playedOf(server));
}

function eventsLast(lines: readonly string[]): readonly string[] {
  const isEvent = (line: string): boolean => /^\w+\* /.test(line);
  return [...lines.filter((line) => !isEvent(line)), ...lines.filter(isEvent)];
}

/** In an expectation `!<error>` stands for any error, and `<n>` for the number before a NUL. */
function hideChance(expected: readonly string[]): (line: string) => string {
  const [anyError, anyNumber] = ["!<error>", "<n>|"].map((word) =>
    expected.some((line) => line.includes(word)),
  );
  return (line) => {
    const shown = anyError ? line.replace(/!E\w+$/, "!<error>") : line;
    return anyNumber ? shown.replace(/^(\w+< )\d+\|/, "$1<n>|") : shown;
  };
}

/** Lines by client: there is no order between the lines of two clients. */
function byClient(lines: readonly string[]): Record<string, string[]> {
  const lists: Record<string, string[]> = {};
  for (const line of lines) {
    const client = /^\w+/.exec(line)?.[0] ?? "";
    lists[client] = [...(lists[client] ?? []), line];
  }
  return lists;
}
